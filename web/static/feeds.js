/* Purpose: the feeds of a catalog: when each runs, how it ran last, and what can be done with it. */

import { json, send, sendJson } from "./api.js";
import { catalogUrl } from "./catalog-dialogs.js";
import { CatalogPart } from "./catalog-part.js";
import { byId, count, el, moment, number, seconds } from "./dom.js";
import { FeedDialog, stated } from "./feed-dialog.js";
import { badge } from "./import-panel.js";

const POLL_MS = 2000;

export class Feeds extends CatalogPart {
  /**
   * `rule` is what a name must match; `opened(import)` runs when the user opens the import of a run;
   * `changed()` when one has ended.
   */
  constructor({ question, rule, opened, changed }) {
    super("feeds", "feed-list", POLL_MS);
    Object.assign(this, { question, opened, changed });
    this.dialog = new FeedDialog({
      rule,
      taken: (name) => this.items.some((feed) => feed.name === name),
      saved: async (feed) => {
        await this.load(this.catalog);
        this.button(feed.name, "edit")?.focus();
      },
    });
    byId("new-feed").addEventListener("click", () => this.dialog.open(this.catalog));
  }

  forget() {
    this.ended = null;
  }

  async read(url) {
    return (await json(`${url}/feeds`)).items;
  }

  show(items) {
    this.items = items;
    if (this.isNew(items)) this.enter(items.map((feed) => this.entry(feed)));
    this.noteEnds(items);
  }

  get moves() {
    return this.items.some(moves);
  }

  /** Tell the page when a run has ended since the last look. */
  noteEnds(items) {
    const runs = items.map((feed) => feed.last_run).filter((run) => run?.finished_at);
    const before = this.ended;
    this.ended = new Set(runs.map((run) => run.id));
    const isNew = (run) => run.status !== "unchanged" && !before.has(run.id);
    if (before && runs.some(isNew)) this.changed();
  }

  entry(feed) {
    const { name, last_run: run } = feed;
    const act = (id, text, label, done) => {
      const button = el("button", { type: "button", data: { of: name, act: id } }, text);
      button.setAttribute("aria-label", label);
      button.addEventListener("click", () => this.attempt(done));
      return button;
    };
    const start = act("run", "Run now", `Run now: the feed ${name}`, () => this.run(name));
    const whole = act("whole", "Run in full", `Run in full: the feed ${name}`, () => this.run(name, true));
    const isBusy = run && !run.finished_at && !run.next_try_at;
    for (const each of [start, whole]) each.setAttribute("aria-disabled", String(Boolean(isBusy)));
    const pause = act(
      "pause",
      feed.paused ? "Resume" : "Pause",
      `${feed.paused ? "Resume" : "Pause"} the feed ${name}`,
      () => this.put(name, { paused: !feed.paused }),
    );
    const edit = act("edit", "Edit", `Edit the feed ${name}`, () => this.edit(name));
    const remove = act("delete", "Delete", `Delete the feed ${name}`, () => this.ask(name));
    return el(
      "li",
      {},
      el("p", { className: "feed-name" }, el("strong", {}, name), " ", state(feed)),
      el("p", { className: "hint" }, feed.url),
      el("p", { className: "hint" }, when(feed)),
      run && this.outcome(name, run),
      el("div", { className: "actions" }, start, whole, feed.schedule && pause, edit, remove),
    );
  }

  outcome(name, run) {
    const words = ["added", "changed", "unchanged", "removed"]
      .filter((each) => run.difference[each])
      .map((each) => `${number(run.difference[each])} ${each}`);
    const { failed } = run.difference; // it counts some of the others once more
    const faulty = failed ? `; with failures: ${number(failed)}` : "";
    const reason = run.error ? el("p", { className: "wrong" }, run.error.detail) : null;
    const begun = `Last run ${moment(run.created_at)}`;
    const line = el("p", {}, [begun, words.join(", ")].filter(Boolean).join(": ") + faulty);
    if (run.next_try_at) line.append(`. Next try ${moment(run.next_try_at)}`);
    if (run.import_id) {
      const details = el("button", { type: "button", className: "quiet" }, "Details");
      Object.assign(details.dataset, { of: name, act: "details" });
      details.setAttribute("aria-label", `Details of the run of ${moment(run.created_at)}`);
      const record = { catalog: this.catalog, id: run.import_id };
      details.addEventListener("click", () => this.opened(record));
      line.append(" ", details);
    }
    return el("div", {}, line, reason);
  }

  url(name) {
    return `${catalogUrl(this.catalog)}/feeds/${encodeURIComponent(name)}`;
  }

  async run(name, whole = false) {
    if (this.button(name, "run")?.getAttribute("aria-disabled") === "true") return;
    await send(`${this.url(name)}/run?${new URLSearchParams({ whole })}`, { method: "POST" });
    await this.load(this.catalog);
  }

  /** Change something of a feed, and nothing else of what it is now. */
  async put(name, changes) {
    const now = await json(this.url(name));
    await sendJson("PUT", this.url(name), { ...stated(now), ...changes });
    await this.load(this.catalog);
  }

  async edit(name) {
    this.dialog.open(this.catalog, await json(this.url(name)));
  }

  ask(name) {
    const url = this.url(name);
    this.question.ask({
      title: "Delete this feed?",
      text: `“${name}” is no longer fetched. The products that it brought stay.`,
      yes: "Delete",
      done: async () => {
        await send(url, { method: "DELETE" });
        await this.load(this.catalog);
        return this.title;
      },
    });
  }
}

/** Whether a feed runs, or is about to. */
function moves({ last_run: run, next_run_at: due }) {
  return (run && !run.finished_at) || (due && Date.parse(due) < Date.now() + POLL_MS);
}

const STATES = {
  waiting: "Fetching",
  importing: "Running",
  unchanged: "Unchanged",
  succeeded: "Succeeded",
  partial: "Finished with failures",
  failed: "Failed",
  cancelled: "Cancelled",
};
const BADGES = { waiting: "running", importing: "running", unchanged: "succeeded" };

function state(feed) {
  const run = feed.last_run;
  if (!run) return el("span", { className: "badge" }, "Has not run yet");
  const made = badge(el("span", { className: "badge" }), BADGES[run.status] ?? run.status);
  made.textContent = run.next_try_at ? "Put off" : STATES[run.status];
  return made;
}

function when(feed) {
  const removes = feed.mode === "replace" ? " What the file no longer names is removed." : "";
  return `${often(feed)}${removes}`;
}

function often({ schedule, paused, next_run_at }) {
  if (!schedule) return "Runs only when asked.";
  const text =
    typeof schedule === "string" ? `At “${schedule}” (UTC)` : `Every ${period(schedule.every)}`;
  if (paused) return `${text}; paused.`;
  return next_run_at ? `${text}; next on ${moment(next_run_at)}.` : `${text}.`;
}

function period(value) {
  const hours = value / 3600;
  return Number.isInteger(hours) ? count(hours, "hour") : seconds(value);
}
