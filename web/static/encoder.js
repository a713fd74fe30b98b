/* Purpose: the encoder of a catalog: move it to another one, see how the two compare, and go back. */

import { json, send, sendJson } from "./api.js";
import { catalogUrl } from "./catalog-dialogs.js";
import { CatalogPart } from "./catalog-part.js";
import { byId, count, el, number } from "./dom.js";

const POLL_MS = 1500;
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
    this.form.hidden = true;
    this.back.hidden = true;
    byId("encoder-state").textContent = "";
  }

  read(url) {
    return Promise.all([json(url), json("/v1/encoders"), json(`${url}/reindex`)]);
  }

  get moves() {
    return this.items.some(({ status, activate }) => status === "running" || activate === "now");
  }

  show([catalog, { items: encoders }, { items: reindexes }]) {
    this.items = reindexes.filter(({ status }) => [...UNDER_WAY, "failed"].includes(status));
    const others = encoders.filter(({ fingerprint }) => fingerprint !== catalog.fingerprint);
    const former = reindexes.find(({ status }) => status === "former");
    const isUnderWay = this.items.some(({ status }) => UNDER_WAY.includes(status));
    if (!this.isNew(catalog.encoder, catalog.fingerprint, others, this.items, former)) return;
    byId("encoder-state").textContent =
      `The pictures are compared by the encoder “${catalog.encoder}” (${catalog.fingerprint}).`;
    this.back.hidden = !former || isUnderWay;
    this.former = former;
    this.form.hidden = !others.length || isUnderWay;
    this.next.replaceChildren(...others.map(({ name }) => el("option", { value: name }, name)));
    this.enter(this.items.map((reindex) => this.entry(reindex)));
  }

  entry(reindex) {
    const { id, encoder, status, progress, counts, detail, comparison } = reindex;
    const buttons = [];
    if (status === "ready" && reindex.activate !== "now") {
      buttons.push(this.act(id, "activate", "Switch to this encoder", () => this.ask(reindex)));
    }
    if (UNDER_WAY.includes(status)) {
      buttons.push(this.act(id, "cancel", "Cancel", () => this.attempt(() => this.cancel(id))));
    }
    const bar = el("progress", { max: 1, value: progress, id: "encoder-progress" });
    const done = `${number(counts.embedded)} of ${count(counts.images, "picture")} embedded`;
    return el(
      "div",
      { className: "part" },
      el("p", {}, el("strong", {}, `To “${encoder}”`), ` ${said(reindex)}`),
      status === "running" ? el("label", { className: "sending" }, done, bar) : null,
      counts.failed ? el("p", { className: "hint" }, `${count(counts.failed, "picture")} could not be embedded.`) : null,
      detail && el("p", { className: "wrong" }, detail),
      comparison && compared(comparison),
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

function said({ status, activate, progress }) {
  if (status === "failed") return "has failed.";
  if (status === "running") return progress < 1 ? "is being prepared." : "is being compared and indexed.";
  return activate === "manual" ? "is ready." : "is ready, and switched to in a moment.";
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
