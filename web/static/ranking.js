/* Purpose: what counts in a catalog's searches: weights as they are, given, or fitted to its pictures. */

import { json, sendJson } from "./api.js";
import { catalogUrl } from "./catalog-dialogs.js";
import { CatalogPart } from "./catalog-part.js";
import { byId, count, el, moment, number } from "./dom.js";

const POLL_MS = 1500;
const MOST = 3;
const STEP = 0.05;
const NAMES = {
  general: "How it looks as a whole",
  kind: "Which kind of product it is",
  instance: "Which very product it is",
};

export class Ranking extends CatalogPart {
  constructor() {
    super("ranking", "ranking-parts", POLL_MS);
    this.section = byId("ranking");
    this.form = byId("ranking-form");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.attempt(() => this.give(this.chosen()));
    });
    byId("ranking-refit").addEventListener("click", () => this.attempt(() => this.give(null)));
  }

  forget() {
    this.section.hidden = true;
    this.fitting = false;
    this.touched = false;
  }

  failed() {
    this.section.hidden = false;
    this.form.hidden = !this.list.childElementCount;
  }

  read(url) {
    return json(`${url}/ranking`);
  }

  get moves() {
    return this.fitting;
  }

  show(ranking) {
    this.section.hidden = ranking.parts.length < 2;
    this.form.hidden = false;
    this.fitting = ranking.fitting;
    byId("ranking-source").textContent = source(ranking);
    byId("ranking-fit").textContent = found(ranking);
    // What the user is about to set stays, whatever is fitted meanwhile.
    if (!this.isNew(ranking.parts, ranking.weights) || this.touched) return;
    const weights = scaled(ranking);
    if (this.list.childElementCount !== ranking.parts.length) {
      this.list.replaceChildren(...ranking.parts.map((part) => this.slider(part)));
    }
    for (const part of ranking.parts) set(byId(`weight-${part}`), weights?.[part] ?? 1);
  }

  slider(part) {
    const id = `weight-${part}`;
    const value = el("output", { htmlFor: id });
    const input = el("input", { type: "range", id, name: part, min: 0, max: MOST, step: STEP });
    input.addEventListener("input", () => {
      this.touched = true;
      tell(input);
    });
    return el("p", { className: "field" }, el("label", { htmlFor: id }, NAMES[part] ?? part), input, value);
  }

  /** The weights that the sliders say. */
  chosen() {
    const sliders = [...this.list.querySelectorAll("input")];
    return Object.fromEntries(sliders.map(({ name, value }) => [name, Number(value)]));
  }

  async give(weights) {
    await sendJson("PUT", `${catalogUrl(this.catalog)}/ranking`, { weights });
    this.drawn = ""; // the sliders show what is in force, also where that is what it was
    this.touched = false;
    await this.load(this.catalog);
  }
}

/** The weights in force; where they exceed what a slider says, all of them by the same factor. */
function scaled({ weights }) {
  const factor = MOST / Math.max(MOST, ...Object.values(weights ?? {}));
  return weights && Object.fromEntries(Object.entries(weights).map(([part, w]) => [part, w * factor]));
}

function set(input, weight) {
  input.value = weight;
  tell(input);
}

/** Say beside a slider what it says. */
function tell(input) {
  input.nextElementSibling.textContent = Number(input.value).toFixed(2);
}

function source({ source: from, fitting }) {
  const said = {
    given: "The weights are those that were set here.",
    fitted: "The weights are fitted to the pictures of the catalog.",
    encoder: "The weights are the encoder's own.",
  }[from];
  return fitting ? `${said} They are being fitted…` : said;
}

function found({ fit }) {
  if (!fit) return "They are fitted by themselves when there are some fifty pictures.";
  const { chosen, default: before, copies, pictures, fitted_at: at } = fit;
  return (
    `Fitted ${moment(at)} to ${count(pictures, "picture")}: of ${number(copies)} edited copies, ` +
    `${percent(chosen.found)} find their picture first (${percent(before.found)} with the encoder's weights), ` +
    `and ${percent(chosen.calm)} of their neighbours are the picture's (${percent(before.calm)}).`
  );
}

function percent(share) {
  return `${+(100 * share).toFixed(1)} %`;
}
