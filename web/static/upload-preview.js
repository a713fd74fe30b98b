/* Purpose: show what an uploaded file would change, let its columns be corrected, start its import. */

import { json } from "./api.js";
import { catalogUrl } from "./catalog-dialogs.js";
import { MappingTable } from "./mapping-table.js";
import { breakable, byId, count, el, number } from "./dom.js";
import { show as showProblem } from "./problems.js";
import { why } from "./reasons.js";

const FORMATS = {
  plain: "A table",
  pictures: "Pictures without a table",
  shopify: "A Shopify export",
  woocommerce: "A WooCommerce export",
  google_merchant: "A Google Merchant feed",
  vision: "A Google Vision list",
};
const DELIMITERS = { ",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars" };
const COUNTS = [
  ["products", "products"],
  ["pictures", "pictures"],
  ["add", "new"],
  ["change", "changed"],
  ["unchanged", "unchanged"],
  ["remove", "removed"],
  ["failed", "would fail"],
];
const PAGE = 20;
const UNSEEN =
  "Pictures at URLs are fetched when the import runs: only then is it known which of them cannot be used.";
const STOPS = ["mapping_incomplete", "archive_corrupt"];

export class UploadPreview {
  /** `started(import)` runs when the server has accepted it; `discarded()` when it shall not be. */
  constructor({ started, discarded }) {
    Object.assign(this, { started, discarded, preview: null, busy: false });
    this.panel = byId("check");
    this.problem = byId("check-problem");
    this.start = byId("check-start");
    this.again = byId("check-again");
    this.override = byId("override");
    this.state = byId("check-state");
    this.more = byId("check-failures-more");
    this.mapping = new MappingTable(() => this.enable());
    this.start.addEventListener("click", () => this.begin());
    this.again.addEventListener("click", () => this.recheck(this.mode));
    this.more.addEventListener("click", () => this.listFailures());
    this.override.addEventListener("change", () => this.enable());
    byId("check-discard").addEventListener("click", () => {
      this.hide();
      this.discarded();
    });
  }

  /** Whether a file has been looked through that is not imported yet. */
  get shown() {
    return this.preview !== null;
  }

  /** Show the first preview of a file. */
  show(preview, { catalog, mode, name }) {
    Object.assign(this, { catalog, mode, name });
    this.mapping.forget();
    this.draw(preview);
    this.announce();
  }

  /** Begin to read at the top: the counts are the first that matters. */
  announce() {
    byId("check-title").focus();
    this.panel.scrollIntoView({ block: "start" });
  }

  hide() {
    this.preview = null;
    this.problem.replaceChildren();
    this.panel.hidden = true;
  }

  /** Import a file that took too long to look through. */
  startBlindly(upload, { catalog, mode }) {
    Object.assign(this, { catalog, mode });
    this.mapping.forget();
    return this.post({ upload }, byId("upload-error"));
  }

  draw(preview) {
    const { counts, format, guard, ignored, notes, problem, products } = preview;
    const replace = this.mode === "replace";
    this.preview = preview;
    this.panel.hidden = false;
    byId("check-title").textContent = `Before the import of “${this.name}”`;
    byId("check-facts").textContent = facts(preview);
    this.problem.replaceChildren();
    if (problem && problem.code !== "replace_guarded") showProblem(this.problem, worded(problem));
    const shown = COUNTS.filter(([field]) => field !== "remove" || replace);
    byId("check-counts").replaceChildren(
      ...shown.map(([field, label]) => {
        const bad = ["failed", "remove"].includes(field) && counts[field] > 0 ? "yes" : "no";
        const value = counts[field] === null ? "–" : number(counts[field]);
        return el("div", { data: { bad, count: field } }, el("dt", {}, label), el("dd", {}, value));
      }),
    );
    const unseen = products.some(({ pictures }) => pictures.some(({ found }) => found === null));
    const told = unseen ? [...notes, UNSEEN] : notes;
    byId("check-notes").replaceChildren(...told.map((note) => el("li", {}, note)));
    byId("check-mapping").hidden = format === "pictures";
    this.mapping.draw(preview.mapping);
    byId("check-products").hidden = products.length === 0;
    byId("check-product-rows").replaceChildren(...products.map(productRow));
    byId("check-failures").hidden = counts.failed === 0;
    byId("check-failure-rows").replaceChildren();
    this.listed = 0;
    this.listFailures();
    byId("check-ignored").hidden = ignored.length === 0;
    byId("ignored-title").textContent = `${count(ignored.length, "file")} left out`;
    byId("ignored-names").replaceChildren(...ignored.map((name) => el("li", {}, name)));
    this.override.checked = false;
    byId("check-consent").hidden = !guard?.stops;
    byId("override-text").textContent = guard?.stops ? consent(guard) : "";
    this.enable();
  }

  /** Offer what can be done now. */
  enable() {
    const { guard, problem } = this.preview;
    const stopped = STOPS.includes(problem?.code) || (guard?.stops && !this.override.checked);
    this.again.hidden = !this.mapping.changed;
    this.start.textContent = this.mode === "replace" ? "Start and replace all" : "Start import";
    this.start.disabled = Boolean(this.busy || stopped || this.mapping.changed);
    this.again.disabled = this.busy;
    if (this.busy) this.state.textContent = "Checking the file…";
    else if (this.mapping.changed) this.state.textContent = "The columns were changed: check again first.";
    else this.state.textContent = "";
  }

  listFailures() {
    const { counts, failures } = this.preview;
    const next = failures.slice(this.listed, this.listed + PAGE);
    byId("check-failure-rows").append(...next.map(failureRow));
    this.listed += next.length;
    const left = counts.failed - this.listed;
    this.more.hidden = this.listed >= failures.length;
    this.more.textContent = `Show more (${number(left)} left)`;
  }

  /** Look at the same file again: with other columns, or in another mode. */
  async recheck(mode) {
    const { upload } = this.preview;
    const held = this.panel.contains(document.activeElement);
    this.mode = mode;
    this.busy = true;
    this.enable();
    try {
      const query = { dry_run: "true", upload, mode };
      const preview = await this.send(query);
      if (this.preview?.upload !== upload) return; // the user has chosen another file
      this.busy = false;
      this.mapping.settle();
      this.draw(preview);
      if (held) this.announce(); // the button that was pressed is gone
    } catch (problem) {
      if (this.preview?.upload === upload) showProblem(this.problem, problem, () => this.recheck(mode));
    } finally {
      this.busy = false;
      if (this.preview) this.enable();
    }
  }

  begin() {
    const guard = this.override.checked ? { guard: "1" } : {};
    return this.post({ upload: this.preview.upload, ...guard });
  }

  async post(query, error = this.problem) {
    this.start.disabled = true;
    try {
      const record = await this.send({ ...query, mode: this.mode });
      this.hide();
      this.started(record);
    } catch (problem) {
      showProblem(error, problem, () => this.post(query, error));
      if (this.preview) this.enable();
    }
  }

  send(query) {
    const body = new FormData();
    const choices = this.mapping.choices;
    if (Object.keys(choices).length) body.set("mapping", JSON.stringify(choices));
    const options = { method: "POST", ...(body.has("mapping") && { body }) };
    return json(`${catalogUrl(this.catalog)}/imports?${new URLSearchParams(query)}`, options);
  }
}

/** The problem in the words of this page, where the columns can be corrected. */
function worded({ code, detail }) {
  if (code !== "mapping_incomplete") return { code, detail };
  const here = "No column is known to hold the product IDs, or none the pictures. Say below which they are.";
  return { code, detail: here };
}

/** What was recognised, and what was assumed. */
function facts({ format, encoding, delimiter, counts }) {
  const rows = format === "pictures" ? "" : ` with ${count(counts.rows, "row")}`;
  const read = encoding ? ` · read as ${encoding.toUpperCase()}` : "";
  const parted = delimiter ? ` · separated by ${DELIMITERS[delimiter] ?? `“${delimiter}”`}` : "";
  return `${FORMATS[format] ?? format}${rows}${read}${parted}`;
}

function consent({ guard, products, remove }) {
  const most = `${Math.round(guard * 100)}%`;
  return (
    `Remove ${number(remove)} of the catalog’s ${count(products, "product")} all the same. ` +
    `Without this, an import that removes more than ${most} is stopped.`
  );
}

function cell(label, ...content) {
  return el("td", { data: { label } }, ...content);
}

function productRow({ id, title, pictures, attributes }) {
  const missing = pictures.filter((each) => each.found === false).map((each) => each.name);
  const names = pictures.length === 1 ? pictures[0].name : count(pictures.length, "picture");
  const lost = missing.length ? el("span", { data: { missing: "" } }, missingWords(missing, pictures)) : "";
  const words = Object.entries(attributes).map(([name, value]) => `${name}: ${[value].flat().join(", ")}`);
  return el(
    "tr",
    { data: { product: id } },
    el("th", { scope: "row" }, id),
    cell("Title", title ?? "–"),
    cell("Pictures", missing.length ? lost : names),
    cell("Attributes", words.join(" · ").slice(0, 200) || "–"),
  );
}

function missingWords(missing, pictures) {
  const which = missing.slice(0, 3).join(", ");
  return missing.length === pictures.length ? `missing: ${which}` : `${number(missing.length)} of ${number(pictures.length)} missing: ${which}`;
}

function failureRow({ line, picture, code, detail }) {
  return el(
    "tr",
    {},
    el("th", { scope: "row", data: { label: "Line" } }, number(line)),
    cell("Picture", ...(picture ? breakable(picture) : ["–"])),
    cell("Reason", ...why({ code, detail })),
  );
}
