/* Purpose: a part of the merchant page that lists something of a catalog, and keeps it up to date. */

import { catalogUrl } from "./catalog-dialogs.js";
import { byId } from "./dom.js";
import { show as showProblem } from "./problems.js";

const IDLE_MS = 15000;

/**
 * A part whose elements are called `name`-error, -refusal and -title.
 *
 * A class made of it says how it is read, `read(url)` of the catalog, and shown, `show(found)`; what
 * is forgotten with a catalog, `forget()`; and whether something `moves`, so that it looks again soon.
 * It may say what there is to do where it could not be read, `failed()`.
 */
export class CatalogPart {
  constructor(name, list, pollMs) {
    this.error = byId(`${name}-error`);
    this.refusal = byId(`${name}-refusal`);
    this.title = byId(`${name}-title`);
    this.list = byId(list);
    this.pollMs = pollMs;
    this.items = [];
  }

  /** No catalog is open. */
  close() {
    clearTimeout(this.timer);
    this.catalog = null;
    this.asked = null;
  }

  /** Show what there is of a catalog, and keep it up to date. */
  async load(catalog) {
    clearTimeout(this.timer);
    if (this.catalog !== catalog) {
      this.list.replaceChildren();
      this.refusal.replaceChildren();
      this.items = [];
      this.drawn = "";
      this.forget();
    }
    this.catalog = catalog;
    const asked = {};
    this.asked = asked;
    try {
      const found = await this.read(catalogUrl(catalog));
      if (this.asked !== asked) return;
      this.error.replaceChildren();
      this.show(found);
    } catch (problem) {
      if (this.asked !== asked) return;
      this.failed();
      showProblem(this.error, problem, () => this.load(catalog));
    }
    this.timer = setTimeout(() => this.load(catalog), this.moves ? this.pollMs : IDLE_MS);
  }

  failed() {}

  /** Whether this is not what is drawn already. */
  isNew(...shown) {
    const drawn = JSON.stringify(shown);
    const isNew = drawn !== this.drawn;
    this.drawn = drawn;
    return isNew;
  }

  /** List these; the button that had the focus has it again, or else the title. */
  enter(entries) {
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset : null;
    this.list.replaceChildren(...entries);
    if (!focused?.of) return;
    (this.button(focused.of, focused.act) ?? this.title).focus();
  }

  /** The button that does `act` `of` an entry. */
  button(of, act) {
    const buttons = [...this.list.querySelectorAll("button")];
    return buttons.find((each) => each.dataset.of === of && each.dataset.act === act);
  }

  /** Do something, and say what went wrong. */
  async attempt(done) {
    this.refusal.replaceChildren();
    try {
      await done();
    } catch (problem) {
      showProblem(this.refusal, problem);
    }
  }
}
