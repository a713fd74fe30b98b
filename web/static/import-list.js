/* Purpose: the imports of a catalog, newest first. */

import { json } from "./api.js";
import { catalogUrl } from "./catalog-dialogs.js";
import { byId, el, moment, number } from "./dom.js";
import { badge } from "./import-panel.js";

const PAGE = "10";

export class ImportList {
  /** `opened(import)` runs when the user opens one. */
  constructor({ opened, failed }) {
    Object.assign(this, { opened, failed });
    this.table = byId("past");
    this.rows = byId("past-rows");
    this.none = byId("no-imports");
    this.more = byId("past-more");
    this.more.addEventListener("click", () => this.page());
  }

  /** Show the newest imports of a catalog; returns them. */
  async load(catalog) {
    this.catalog = catalog;
    this.cursor = "";
    const items = await this.page();
    return items ?? [];
  }

  async page() {
    const asked = this.catalog;
    const first = !this.cursor;
    this.more.disabled = true;
    const query = new URLSearchParams({ limit: PAGE, ...(!first && { cursor: this.cursor }) });
    try {
      const page = await json(`${catalogUrl(asked)}/imports?${query}`);
      if (this.catalog !== asked) return null;
      if (first) this.rows.replaceChildren();
      this.rows.append(...page.items.map((record) => this.row(record)));
      this.cursor = page.next_cursor;
      this.more.hidden = page.next_cursor === null;
      this.table.hidden = !this.rows.childElementCount;
      this.none.hidden = !this.table.hidden;
      return page.items;
    } catch (problem) {
      this.failed(problem);
      return null;
    } finally {
      this.more.disabled = false;
    }
  }

  row(record) {
    const { counts, status, created_at, mode } = record;
    const when = moment(created_at);
    const button = el("button", { type: "button", className: "quiet" }, "Details");
    button.setAttribute("aria-label", `Details of the import of ${when}`);
    button.addEventListener("click", () => this.opened(record));
    const cell = (label, ...content) => el("td", { data: { label } }, ...content);
    return el(
      "tr",
      { data: { import: record.id } },
      el("th", { scope: "row" }, when, mode === "replace" ? " (replace)" : ""),
      cell("Status", badge(el("span", { className: "badge" }), status)),
      cell("Pictures", counts.items === null ? "–" : number(counts.items)),
      cell("Failed", number(counts.failed)),
      el("td", {}, button),
    );
  }
}
