/* Purpose: the list of catalogs and how much each contains. */

import { all } from "./api.js";
import { byId, count, el } from "./dom.js";

export class CatalogShelf {
  /** `opened(name)` runs when the user picks one. */
  constructor(opened) {
    this.opened = opened;
    this.list = byId("catalogs");
    this.none = byId("no-catalogs");
    this.catalogs = [];
    this.name = null;
  }

  async load() {
    this.catalogs = await all("/v1/catalogs");
    this.draw();
  }

  get current() {
    return this.find(this.name);
  }

  find(name) {
    return this.catalogs.find((catalog) => catalog.name === name);
  }

  select(name) {
    this.name = name;
    this.draw();
  }

  draw() {
    const focused = this.list.contains(document.activeElement);
    this.list.replaceChildren(...this.catalogs.map((catalog) => el("li", {}, this.entry(catalog))));
    this.none.hidden = this.catalogs.length > 0;
    if (focused) this.list.querySelector("[aria-current]")?.focus();
  }

  entry(catalog) {
    const title = catalog.title || catalog.name;
    const button = el(
      "button",
      { type: "button", data: { catalog: catalog.name } },
      title,
      title === catalog.name ? null : el("span", {}, catalog.name),
      el("span", {}, holds(catalog)),
    );
    if (catalog.name === this.name) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => this.opened(catalog.name));
    return button;
  }
}

/** "300 products, 600 pictures". */
export function holds({ products, images }) {
  return `${count(products, "product")}, ${count(images, "picture")}`;
}
