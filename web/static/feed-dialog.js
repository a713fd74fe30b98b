/* Purpose: the dialog in which a feed is made or changed. */

import { Problem, sendJson } from "./api.js";
import { catalogUrl, closable, NAMES } from "./catalog-dialogs.js";
import { byId, el } from "./dom.js";
import { show as showProblem } from "./problems.js";

/** What of a feed its owner states. */
export function stated({ url, schedule, format, mode, guard, paused }) {
  return { url, schedule, format, mode, guard, paused };
}

const NEW = { name: "", url: "", schedule: { every: 3600 }, format: "auto", mode: "upsert", guard: null, paused: false };

export class FeedDialog {
  /**
   * `rule` is what a name must match; `taken(name)` tells of another feed; `saved(feed)` runs when
   * the server has this one.
   */
  constructor({ rule, taken, saved }) {
    Object.assign(this, { taken, saved, allowed: new RegExp(`^(?:${rule})$`) });
    this.dialog = closable(byId("feed-dialog"));
    this.error = byId("feed-error");
    this.name = byId("feed-name");
    this.address = byId("feed-url");
    this.times = byId("feed-when");
    this.cron = byId("feed-cron");
    this.mode = byId("feed-mode");
    this.guard = byId("feed-guard");
    this.fields = { "/name": this.name, "/url": this.address, "/schedule": this.cron, "/guard": this.guard };
    this.times.addEventListener("change", () => this.showFields());
    this.mode.addEventListener("change", () => this.showFields());
    byId("feed-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.save();
    });
  }

  /** Let the user make a feed of a catalog, or change the one given. */
  open(catalog, feed = null) {
    this.catalog = catalog;
    this.feed = feed ?? NEW;
    byId("feed-title").textContent = feed ? `Edit the feed ${feed.name}` : "New feed";
    this.name.value = this.feed.name;
    this.name.disabled = feed !== null;
    this.address.value = this.feed.url;
    this.mode.value = this.feed.mode;
    this.guard.value = this.feed.guard === null ? "" : String(+(100 * this.feed.guard).toFixed(2));
    this.showSchedule(this.feed.schedule);
    this.mark([]);
    this.error.replaceChildren();
    this.dialog.showModal();
    (feed ? this.address : this.name).focus();
  }

  showSchedule(schedule) {
    this.times.querySelector("[data-own]")?.remove();
    const chosen = schedule === null ? "" : typeof schedule === "string" ? "cron" : String(schedule.every);
    if (![...this.times.options].some((option) => option.value === chosen)) {
      const own = el("option", { value: chosen, data: { own: "" } }, `Every ${chosen} seconds`);
      this.times.prepend(own);
    }
    this.times.value = chosen;
    this.cron.value = chosen === "cron" ? schedule : "30 4 * * *";
    this.showFields();
  }

  showFields() {
    byId("feed-cron-field").hidden = this.times.value !== "cron";
    byId("feed-guard-field").hidden = this.mode.value !== "replace";
  }

  /** The share that may be removed; null for the server's. */
  get share() {
    const text = this.guard.value.trim();
    if (this.mode.value !== "replace" || !text) return null;
    const share = Number(text.replace(",", ".")) / 100;
    if (share >= 0 && share <= 1) return share;
    throw wrong("/guard", `“${text}” is no share. Write a number from 0 to 100, or nothing.`);
  }

  get schedule() {
    if (this.times.value === "cron") return this.cron.value.trim();
    return this.times.value ? { every: Number(this.times.value) } : null;
  }

  /** Throw what the page itself knows to be wrong. */
  check(name) {
    if (this.feed === NEW) {
      if (!name) throw wrong("/name", "Give the feed a name.");
      if (!this.allowed.test(name)) {
        throw wrong("/name", `“${name}” is not a valid name. ${NAMES}`);
      }
      if (this.taken(name)) throw wrong("/name", `There is a feed “${name}” already.`);
    }
    if (!this.address.value.trim()) throw wrong("/url", "Give the feed the URL of its file.");
  }

  /** Mark the fields that errors are about, and no others. */
  mark(errors) {
    const marked = errors.map(({ pointer }) => this.fields[pointer]);
    for (const field of Object.values(this.fields)) {
      field.setAttribute("aria-invalid", String(marked.includes(field)));
    }
  }

  async save() {
    const name = this.name.value.trim();
    this.mark([]);
    this.error.replaceChildren();
    try {
      this.check(name);
      const url = `${catalogUrl(this.catalog)}/feeds/${encodeURIComponent(name)}`;
      const said = {
        url: this.address.value.trim(),
        mode: this.mode.value,
        guard: this.share,
        schedule: this.schedule,
      };
      const feed = await sendJson("PUT", url, { ...stated(this.feed), ...said });
      this.dialog.close();
      await this.saved(feed);
    } catch (problem) {
      const errors = problem.errors?.map(worded) ?? [];
      this.mark(errors);
      showProblem(this.error, Object.assign(problem, { errors }));
    }
  }
}

/** An error of the server in the words of this dialog, which writes no JSON. */
function worded({ pointer, detail }) {
  return { pointer, detail: detail.replace(', or {"every": seconds}', "") };
}

function wrong(pointer, detail) {
  return new Problem({ code: "invalid_request", detail, errors: [{ pointer, detail }] });
}
