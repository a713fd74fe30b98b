/* Purpose: an import's ledger: the items that failed as a table, all items as a CSV file. */

import { json, send } from "./api.js";
import { byId, el } from "./dom.js";
import { show as showProblem } from "./problems.js";

const PAGE = "50";

export class Failures {
  constructor() {
    this.section = byId("failures");
    this.rows = byId("failure-rows");
    this.more = byId("failures-more");
    this.more.addEventListener("click", () => this.load());
    this.clear();
  }

  clear() {
    this.section.hidden = true;
    this.rows.replaceChildren();
    this.more.hidden = true;
    this.cursor = "";
    this.url = null;
  }

  /** Show the first page of failures of the import at `url`. */
  show(url) {
    this.clear();
    this.url = url;
    return this.load();
  }

  async load() {
    const asked = this.url;
    const query = new URLSearchParams({ status: "failed", limit: PAGE });
    if (this.cursor) query.set("cursor", this.cursor);
    this.more.disabled = true;
    try {
      const page = await json(`${asked}/items?${query}`);
      if (this.url !== asked) return;
      this.rows.append(...page.items.map(row));
      this.section.hidden = false;
      this.cursor = page.next_cursor;
      this.more.hidden = page.next_cursor === null;
    } catch (problem) {
      showProblem(byId("job-error"), problem, () => this.load());
    } finally {
      this.more.disabled = false;
    }
  }
}

function row(item) {
  const cell = (label, ...content) => el("td", { data: { label } }, ...content);
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, item.path || item.product_id),
    cell("Stage", item.stage),
    cell("Code", el("code", {}, item.code ?? "")),
    cell("Reason", item.detail ?? ""),
  );
}

/** Save the whole ledger as a file. */
export async function downloadLedger(url, record) {
  const response = await send(`${url}/items`, { headers: { Accept: "text/csv" } });
  const address = URL.createObjectURL(await response.blob());
  const link = el("a", { href: address, download: `${record.catalog}-import-${record.id}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
