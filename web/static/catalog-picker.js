/* Purpose: choose the catalog to search in, and remember the choice. */

import { all } from "./api.js";
import { el, memory, number } from "./dom.js";

const REMEMBERED = "catalog";

export class CatalogPicker {
  constructor(select, changed) {
    this.select = select;
    this.catalogs = [];
    select.addEventListener("change", () => {
      memory.set(REMEMBERED, select.value);
      changed(select.value);
    });
  }

  /** Load the catalogs; prefer `wanted`, then the remembered one, then one with products. */
  async load(wanted) {
    this.catalogs = await all("/v1/catalogs");
    const options = this.catalogs.map(({ name, title, products }) =>
      el("option", { value: name }, `${title || name} · ${number(products)}`),
    );
    this.select.replaceChildren(...options);
    this.select.disabled = !options.length;
    if (!options.length) this.select.append(el("option", {}, "No catalogs yet"));
    const names = [wanted, memory.get(REMEMBERED), this.catalogs.find((c) => c.products)?.name];
    this.choose(names.find((name) => this.has(name)));
  }

  has(name) {
    return this.catalogs.some((catalog) => catalog.name === name);
  }

  choose(name) {
    if (this.has(name)) this.select.value = name;
  }

  /** The chosen catalog, or undefined when there is none. */
  get current() {
    return this.find(this.select.value);
  }

  find(name) {
    return this.catalogs.find((catalog) => catalog.name === name);
  }
}
