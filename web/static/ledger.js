/* Purpose: an import's ledger: its items by fate and stage, a page at a time, and as files. */

import { json, send } from "./api.js";
import { breakable, byId, el, moment, thumbnail } from "./dom.js";
import { Pager } from "./pager.js";
import { show as showProblem } from "./problems.js";
import { why } from "./reasons.js";

const PAGE = "25";
const FATES = { pending: "Under way", searchable: "Searchable", failed: "Failed" };
const STAGES = {
  fetch: "Fetching the picture",
  decode: "Opening the picture",
  embed: "Encoding",
  index: "Indexing",
};

export class Ledger {
  constructor() {
    this.section = byId("ledger");
    this.error = byId("ledger-error");
    this.rows = byId("ledger-rows");
    this.status = byId("ledger-status");
    this.stage = byId("ledger-stage");
    this.pager = new Pager(byId("ledger-pager"), () => this.load());
    for (const select of [this.status, this.stage]) {
      select.addEventListener("change", () => this.first());
    }
    this.clear();
  }

  clear() {
    this.section.hidden = true;
    this.rows.replaceChildren();
    this.error.replaceChildren();
    this.url = null;
  }

  /** Show the items of the import at `url`: those that failed, if any did. */
  show(url, { failed }) {
    this.url = url;
    this.status.value = failed ? "failed" : "";
    this.stage.value = "";
    return this.first();
  }

  first() {
    this.pager.reset();
    return this.load();
  }

  async load() {
    const asked = this.url;
    const query = new URLSearchParams({ limit: PAGE });
    const chosen = { status: this.status.value, stage: this.stage.value, cursor: this.pager.cursor };
    for (const [name, value] of Object.entries(chosen)) if (value) query.set(name, value);
    this.asked = query;
    try {
      const page = await json(`${asked}/items?${query}`);
      if (this.url !== asked || this.asked !== query) return; // something else was chosen
      this.error.replaceChildren();
      this.rows.replaceChildren(...page.items.map(row));
      byId("ledger-table").hidden = !page.items.length;
      byId("ledger-none").hidden = page.items.length > 0;
      this.section.hidden = false;
      this.pager.loaded(page.next_cursor);
    } catch (problem) {
      if (this.url !== asked) return;
      this.section.hidden = false;
      showProblem(this.error, problem, () => this.load());
    }
  }
}

function row(item) {
  const cell = (label, ...content) => el("td", { data: { label } }, ...content);
  const badge = el("span", { className: "badge", data: { status: item.status } });
  badge.textContent = FATES[item.status];
  const named = item.product_id && item.product_id !== item.path;
  return el(
    "tr",
    {},
    el(
      "th",
      { scope: "row" },
      el(
        "span",
        { className: "pictured" },
        thumbnail(item.image_url),
        el(
          "span",
          {},
          ...breakable(item.path || item.product_id || "Without a name"),
          named ? el("small", {}, `of ${item.product_id}`) : null,
        ),
      ),
    ),
    cell("Fate", badge, ...(item.next_try_at ? [later(item.next_try_at)] : [])),
    cell("Stage", item.status === "searchable" ? "Done" : STAGES[item.stage]),
    cell("Reason", ...(item.code ? why(item) : ["–"])),
  );
}

function later(time) {
  return el("small", {}, `tried again ${moment(time)}`);
}

/** Save the whole ledger as a file. */
export async function downloadLedger(url, record) {
  const response = await send(`${url}/items`, { headers: { Accept: "text/csv" } });
  save([await response.blob()], `${record.catalog}-import-${record.id}.csv`);
}

/** Save the failed rows of the merchant's own table, to be corrected and uploaded again. */
export async function downloadRows(url, record) {
  const response = await send(`${url}/items?columns=own&status=failed`);
  // Spreadsheets take a file without this mark for one of an old encoding.
  save(["\ufeff", await response.blob()], `${record.catalog}-to-fix-${record.id}.csv`);
}

function save(parts, download) {
  const address = URL.createObjectURL(new Blob(parts, { type: "text/csv" }));
  el("a", { href: address, download }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
