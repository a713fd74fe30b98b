/* Purpose: pairs of products that look the same, and merging the two of a pair. */

import { json, sendJson } from "./api.js";
import { catalogUrl } from "./catalog-dialogs.js";
import { byId, el, thumbnail } from "./dom.js";
import { Pager } from "./pager.js";
import { show as showProblem } from "./problems.js";

const PAGE = "10";

export class Twins {
  /** `question` asks before a merge; `changed()` runs when two products have become one. */
  constructor({ question, changed }) {
    Object.assign(this, { question, changed });
    this.section = byId("twins");
    this.error = byId("twins-error");
    this.list = byId("twin-list");
    this.pager = new Pager(byId("twin-pager"), () => this.page());
  }

  /** Show the pairs of a catalog that are most alike; nothing if there are none. */
  load(catalog) {
    if (this.catalog !== catalog) this.section.hidden = true;
    this.catalog = catalog;
    this.pager.reset();
    return this.page();
  }

  async page() {
    const asked = this.catalog;
    const query = new URLSearchParams({ limit: PAGE });
    if (this.pager.cursor) query.set("cursor", this.pager.cursor);
    try {
      const page = await json(`${catalogUrl(asked)}/duplicates?${query}`);
      if (this.catalog !== asked) return;
      this.error.replaceChildren();
      this.list.replaceChildren(...page.items.map((pair) => this.pair(pair)));
      this.section.hidden = !page.items.length && !this.pager.cursor;
      this.pager.loaded(page.next_cursor);
    } catch (problem) {
      if (this.catalog !== asked) return;
      this.section.hidden = false;
      showProblem(this.error, problem, () => this.page());
    }
  }

  pair({ score, products }) {
    const [one, other] = products;
    return el(
      "li",
      {},
      this.side(one, other),
      this.side(other, one),
      el("p", { className: "hint" }, `${(score * 100).toFixed(1)}% alike`),
    );
  }

  side(keep, drop) {
    const button = el("button", { type: "button" }, "Keep this one");
    button.setAttribute("aria-label", `Keep this one, ${keep.product_id}, and merge ${drop.product_id} into it`);
    button.addEventListener("click", () => this.ask(keep, drop));
    return el(
      "figure",
      {},
      thumbnail(keep.image_url),
      el("figcaption", {}, keep.title || keep.product_id, el("small", {}, keep.product_id)),
      button,
    );
  }

  ask(keep, drop) {
    const { catalog } = this;
    this.question.ask({
      title: "Merge these products?",
      text:
        `The pictures of “${drop.title || drop.product_id}” (${drop.product_id}) go to ` +
        `“${keep.title || keep.product_id}” (${keep.product_id}), and ${drop.product_id} is deleted ` +
        "with its title, link, description and attributes. This cannot be undone.",
      yes: "Merge",
      done: async () => {
        const body = { keep: keep.product_id, drop: drop.product_id };
        await sendJson("POST", `${catalogUrl(catalog)}/duplicates/merge`, body);
        await this.page();
        this.changed();
        return byId(this.section.hidden ? "products-title" : "twins-title");
      },
    });
  }
}
