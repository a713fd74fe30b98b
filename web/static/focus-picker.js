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
    if (this.catalog === catalog) return;
    this.catalog = catalog;
    this.field.hidden = true;
    if (!catalog) return;
    const { parts } = await json(`${catalogUrl(catalog)}/ranking`);
    if (this.catalog === catalog) this.field.hidden = parts.length < 2;
  }

  /** The focus, or null: what fits best. */
  get current() {
    return (!this.field.hidden && this.select.value) || null;
  }
}
