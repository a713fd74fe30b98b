/* Purpose: choose what a search is about, where the catalog's encoder can tell. */

import { json } from "./api.js";
import { catalogUrl } from "./catalog-dialogs.js";

export class FocusPicker {
  /** `changed()` is called when the user has chosen another focus. */
  constructor(field, select, changed) {
    this.field = field;
    this.select = select;
    select.addEventListener("change", changed);
  }

  /** Offer the choice if the catalog's embeddings have parts to focus on. */
  async offer(catalog) {
    if (this.catalog === catalog) return this.offered;
    this.catalog = catalog;
    this.offered = this.show(catalog);
    return this.offered;
  }

  async show(catalog) {
    let hidden = true; // also where that cannot be told: searches work without it
    try {
      if (catalog) hidden = (await json(`${catalogUrl(catalog)}/ranking`)).parts.length < 2;
    } catch {
      if (this.catalog === catalog) this.catalog = undefined; // the next time it is asked again
    }
    if (this.catalog === catalog || !this.catalog) this.field.hidden = hidden;
  }

  /** The focus, or null: what fits best. It is known when the catalog's choice is offered. */
  async current() {
    await this.offered;
    return (!this.field.hidden && this.select.value) || null;
  }

  /** Show the focus of an earlier search. */
  choose(focus) {
    this.select.value = focus ?? "";
  }
}
