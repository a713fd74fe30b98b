/* Purpose: the encoder of a catalog: move it to another one, see how the two compare, and go back. */

import { json, send, sendJson } from "./api.js";
import { catalogUrl } from "./catalog-dialogs.js";
import { CatalogPart } from "./catalog-part.js";
import { byId, count, el, number } from "./dom.js";

const POLL_MS = 3000;
const UNDER_WAY = ["running", "ready"];

export class EncoderPart extends CatalogPart {
  /** `question` asks before searches are answered by another encoder. */
  constructor({ question }) {
    super("encoder", "encoder-moves", POLL_MS);
    this.question = question;
    this.form = byId("encoder-form");
    this.next = byId("encoder-next");
    this.back = byId("encoder-back");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.attempt(() => this.begin());
    });
    this.back.addEventListener("click", () => this.ask(null));
  }

  forget() {
    this.encoders = null;
    this.offered = "";
    this.form.hidden = true;
    this.back.hidden = true;
    byId("encoder-state").textContent = "";
  }

  async read(url) {
    this.encoders ??= (await json("/v1/encoders")).items;
    return Promise.all([json(url), json(`${url}/reindex`)]);
  }

  get moves() {
    return this.items.some((reindex) => reindex.status === "running" || isSwitching(reindex));
  }

  show([catalog, { items }]) {
    const others = this.encoders.filter(({ fingerprint }) => fingerprint !== catalog.fingerprint);
    const former = items.find(({ status }) => status === "former");
    this.items = items.filter((reindex) => reindex.status !== "former" || isSwitching(reindex));
    const isUnderWay = this.items.some(({ status }) => status !== "failed");
    if (!this.isNew(catalog.encoder, catalog.fingerprint, others, this.items, former?.id)) return;
    const state = `The pictures are compared by the encoder “${catalog.encoder}” (${catalog.fingerprint}).`;
    byId("encoder-state").textContent = [state, ...this.items.map(headline)].join(" ");
    this.back.hidden = !former || isUnderWay;
    this.former = former;
    this.form.hidden = !others.length || isUnderWay;
    this.offer(others.map(({ name }) => name));
    this.enter(this.items.map((reindex) => this.entry(reindex)));
  }

  /** Let the user choose among these; what is chosen already stays so. */
  offer(names) {
    if (this.offered === names.join()) return;
    this.offered = names.join();
    const chosen = this.next.value;
    this.next.replaceChildren(...names.map((name) => el("option", { value: name }, name)));
    if (names.includes(chosen)) this.next.value = chosen;
  }

  entry(reindex) {
    const { id, status, progress, counts, detail, comparison } = reindex;
    const forget = () => this.attempt(() => this.cancel(id));
    const buttons = [];
    if (status === "ready" && !isSwitching(reindex)) {
      buttons.push(this.act(id, "activate", "Switch to this encoder", () => this.ask(reindex)));
    }
    if (UNDER_WAY.includes(status)) buttons.push(this.act(id, "cancel", "Cancel", forget));
    if (status === "failed") buttons.push(this.act(id, "dismiss", "Dismiss", forget));
    const bar = el("progress", { max: 1, value: progress, id: "encoder-progress" });
    const done = `${number(counts.embedded)} of ${count(counts.images, "picture")} embedded`;
    return el(
      "div",
      { className: "part" },
      el("p", { aria: { hidden: true } }, headline(reindex)), // the state says it, too
      status === "running" ? el("label", { className: "sending" }, done, bar) : null,
      counts.failed ? el("p", { className: "hint" }, `${count(counts.failed, "picture")} could not be embedded.`) : null,
      detail && el("p", { className: "wrong" }, detail),
      comparison?.queries ? compared(comparison) : null,
      buttons.length ? el("div", { className: "actions" }, ...buttons) : null,
    );
  }

  act(of, act, text, done) {
    const button = el("button", { type: "button", data: { of, act } }, text);
    button.addEventListener("click", done);
    return button;
  }

  async begin() {
    const body = {
      encoder: this.next.value,
      activate: byId("encoder-auto").checked ? "auto" : "manual",
    };
    await sendJson("POST", `${catalogUrl(this.catalog)}/reindex`, body);
    await this.load(this.catalog);
    this.title.focus();
  }

  async cancel(id) {
    await send(`${catalogUrl(this.catalog)}/reindex/${id}`, { method: "DELETE" });
    await this.load(this.catalog);
    this.title.focus();
  }

  /** Ask before another encoder answers: that of a reindex, or the former one. */
  ask(reindex) {
    const { catalog } = this;
    const url = catalogUrl(catalog);
    this.question.ask({
      title: reindex ? "Switch to this encoder?" : "Back to the former encoder?",
      text: `Searches are answered by “${(reindex ?? this.former).encoder}” from now on. You can go back.`,
      yes: reindex ? "Switch" : "Go back",
      done: async () => {
        const path = reindex ? `reindex/${reindex.id}/activate` : "rollback";
        await send(`${url}/${path}`, { method: "POST" });
        await this.load(catalog);
        return this.title;
      },
    });
  }
}

function isSwitching({ status, activate }) {
  return activate === "now" && (status === "ready" || status === "former");
}

function headline(reindex) {
  return `“${reindex.encoder}” ${said(reindex)}`;
}

function said(reindex) {
  const { status, activate, progress } = reindex;
  if (status === "failed") return "has failed.";
  if (status === "running") return progress < 1 ? "is being prepared." : "is being compared and indexed.";
  return isSwitching(reindex) || activate === "auto" ? "is ready, and switched to in a moment." : "is ready.";
}

/** What would change with the encoder, as a table. */
function compared({ queries, overlap_at_10: stays, own_first: own, labels, golden }) {
  const rows = [
    own && ["A picture, edited, finds its own product first", own],
    golden && [`${number(golden.queries)} golden queries find a product among the first ten`, golden],
    ...labels.map((each) => [`The ten nearest have the same “${each.field}”`, each]),
  ].filter(Boolean);
  const head = ["Measured on the catalog's own pictures", "Now", "Then"];
  const table = el(
    "table",
    { className: "compared" },
    el("caption", {}, `Of ${count(queries, "picture")}, ${percent(stays)} of the ten nearest stay.`),
    el("thead", {}, el("tr", {}, ...head.map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, ...rows.map(([text, pair]) => el("tr", {}, el("th", { scope: "row" }, text), el("td", {}, percent(pair.old)), el("td", {}, percent(pair.new))))),
  );
  return el("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: "Comparison" }, table);
}

function percent(share) {
  return share === null ? "–" : `${+(100 * share).toFixed(1)} %`;
}
