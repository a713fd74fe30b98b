/* Purpose: how well a catalog is searched: the recall of its index, and its golden queries. */

import { all, json, send } from "./api.js";
import { catalogUrl } from "./catalog-dialogs.js";
import { CatalogPart } from "./catalog-part.js";
import { byId, el, moment, number, thumbnail } from "./dom.js";
import { GoldenDialog } from "./golden-dialog.js";

const POLL_MS = 1500;

export class Quality extends CatalogPart {
  /** `question` asks before a deletion; `rule` is what the name of a golden query must match. */
  constructor({ question, rule }) {
    super("quality", "golden-list", POLL_MS);
    this.question = question;
    this.again = byId("golden-check");
    this.before = new Map();
    const add = byId("new-golden");
    this.dialog = new GoldenDialog({
      rule,
      taken: (name) => this.items.some((query) => query.name === name),
      saved: async () => {
        await this.load(this.catalog);
        add.focus();
      },
    });
    add.addEventListener("click", () => this.dialog.open(this.catalog));
    this.again.addEventListener("click", () => this.attempt(() => this.check()));
  }

  forget() {
    this.before.clear();
  }

  read(url) {
    return Promise.all([json(`${url}/quality`), all(`${url}/golden`)]);
  }

  get moves() {
    return this.checking > 0;
  }

  /** How many golden queries are being checked: new ones, and those of which a check was asked for. */
  get checking() {
    const waits = ({ name, checked_at: at, error }) =>
      !error && (at === null || this.before.get(name) === at);
    return this.items.filter(waits).length;
  }

  show([quality, items]) {
    this.items = items;
    const { checking } = this;
    if (!checking) this.before.clear();
    if (!this.isNew(quality, items, checking)) return;
    byId("recall").textContent = recall(quality);
    byId("golden-summary").textContent = checking
      ? `Checking ${many(checking)}…`
      : summary(quality.golden);
    this.again.setAttribute("aria-disabled", String(!items.length || checking > 0));
    this.enter(items.map((query) => this.entry(query)));
  }

  entry(query) {
    const { name, products, image_url: url, updated_at: version, error } = query;
    const remove = el("button", { type: "button", data: { of: name, act: "delete" } }, "Delete");
    remove.setAttribute("aria-label", `Delete the golden query ${name}`);
    remove.addEventListener("click", () => this.ask(name));
    const before = earlier(query);
    return el(
      "li",
      { className: "pictured" },
      thumbnail(`${url}?${new URLSearchParams({ version })}`),
      el(
        "div",
        { className: "golden" },
        el("p", { className: "feed-name" }, el("strong", {}, name), " ", state(query)),
        el("p", { className: "hint" }, `Ought to find ${products.join(" or ")}`),
        before && el("p", { className: "hint" }, before),
        error && el("p", { className: "wrong" }, `The last check failed: ${error.detail}`),
      ),
      remove,
    );
  }

  async check() {
    if (this.again.getAttribute("aria-disabled") === "true") return;
    const before = this.items.map((query) => [query.name, query.checked_at]);
    await send(`${catalogUrl(this.catalog)}/golden/check`, { method: "POST" });
    this.before = new Map(before);
    await this.load(this.catalog);
  }

  ask(name) {
    const { catalog } = this;
    this.question.ask({
      title: "Delete this golden query?",
      text: `“${name}” is no longer checked. The products stay.`,
      yes: "Delete",
      done: async () => {
        const url = `${catalogUrl(catalog)}/golden/${encodeURIComponent(name)}`;
        await send(url, { method: "DELETE" });
        await this.load(catalog);
        return this.title;
      },
    });
  }
}

function recall({ generation, recall: share, target_recall: aim, measured_at: at }) {
  if (generation === null) {
    return "There is no index yet: a search compares the picture with every product, and misses none.";
  }
  if (share === null) return "The recall of the index has not been measured.";
  return (
    `Of the ten nearest products a search finds ${percent(share)} ` +
    `(measured ${moment(at)}; aim ${percent(aim)}).`
  );
}

function percent(share) {
  return `${+(100 * share).toFixed(1)} %`;
}

function summary({ queries, first, in_ten: ten, not_found: none }) {
  if (!queries) return "There are no golden queries yet.";
  const rest = none ? `; ${number(none)} found nothing that was expected` : "";
  return `Of ${many(queries)}, ${number(first)} found a product first, ${number(ten)} among the first ten${rest}.`;
}

function many(queries) {
  return queries === 1 ? "one golden query" : `${number(queries)} golden queries`;
}

function state({ rank, checked_at: at }) {
  const [status, text] =
    at === null
      ? ["", "Not checked yet"]
      : rank === null
        ? ["failed", "Not found"]
        : [rank <= 10 ? "succeeded" : "partial", place(rank)];
  return el("span", { className: "badge", data: { status } }, text);
}

function place(rank) {
  if (rank === null) return "not found among the first 100";
  return rank === 1 ? "Found first" : `Found at place ${rank}`;
}

function earlier({ previous, encoder }) {
  if (!previous) return null;
  const what = previous.encoder === encoder ? "index" : "encoder";
  const then = place(previous.rank);
  return `With the ${what} before: ${then[0].toLowerCase()}${then.slice(1)}`;
}
