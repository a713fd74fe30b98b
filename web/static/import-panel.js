/* Purpose: one import: its progress while it runs, its result when it ends. */

import { json } from "./api.js";
import { catalogUrl } from "./catalog-dialogs.js";
import { byId, count, el, moment, number, seconds } from "./dom.js";
import { follow } from "./follow.js";
import { Ledger, downloadLedger, downloadRows } from "./ledger.js";
import { show as showProblem } from "./problems.js";

const POLL_MS = 700;
const STEPS = {
  fetched: "fetched",
  decoded: "opened",
  embedded: "encoded",
  searchable: "searchable",
  failed: "failed",
};

/** Status → text. */
export const STATUS = {
  received: "Received",
  running: "Running",
  succeeded: "Succeeded",
  partial: "Finished with failures",
  failed: "Failed",
  cancelled: "Cancelled",
};

export class ImportPanel {
  /** `ended(import)` runs once when the import being followed ends. */
  constructor(ended) {
    this.ended = ended;
    this.panel = byId("job");
    this.error = byId("job-error");
    this.cancel = byId("job-cancel");
    this.retry = byId("job-retry");
    this.file = byId("job-ledger");
    this.fix = byId("job-fix");
    this.ledger = new Ledger();
    this.following = null;
    this.cancel.addEventListener("click", () => this.withdraw());
    this.retry.addEventListener("click", () => this.tryAgain());
    this.file.addEventListener("click", () => this.download(this.file, downloadLedger));
    this.fix.addEventListener("click", () => this.download(this.fix, downloadRows));
  }

  /** Show an import and follow it to its end. */
  async show(record) {
    this.hide();
    const following = new AbortController();
    this.following = following;
    this.record = record;
    this.panel.hidden = false;
    this.draw();
    if (record.finished_at) return this.settle();
    const told = (now) => {
      this.record = now;
      this.draw();
    };
    const how = { over, told, lost, every: POLL_MS, patience: Infinity };
    try {
      told(await follow(this.url, how, following.signal));
    } catch (problem) {
      if (problem.name !== "AbortError") showProblem(this.error, problem);
      return undefined;
    }
    this.settle();
    return this.ended(this.record);
  }

  hide() {
    this.following?.abort();
    this.ledger.clear();
    this.error.replaceChildren();
    this.panel.hidden = true;
  }

  get url() {
    const { catalog, id } = this.record;
    return `${catalogUrl(catalog)}/imports/${encodeURIComponent(id)}`;
  }

  draw() {
    const { status, counts, created_at, finished_at, mode, progress } = this.record;
    byId("job-title").textContent = `Import of ${moment(created_at)}`;
    badge(byId("job-status"), status);
    byId("job-text").textContent = this.sentence(mode);
    byId("job-progress").value = progress;
    const entries = Object.entries(STEPS).map(([step, words]) => {
      const bad = step === "failed" && counts.failed > 0 ? "yes" : "no";
      return el("div", { data: { bad, step } }, el("dt", {}, words), el("dd", {}, number(counts[step])));
    });
    byId("job-counts").replaceChildren(...entries);
    this.cancel.hidden = Boolean(finished_at);
    this.retry.hidden = !finished_at || !(counts.failed || status === "failed");
  }

  sentence(mode) {
    const { counts, progress, eta_s, finished_at, waiting } = this.record;
    const kind = mode === "replace" ? ", replacing the catalog" : "";
    if (finished_at) {
      return `${number(counts.searchable)} of ${count(counts.items ?? 0, "picture")} searchable${kind}`;
    }
    if (waiting) {
      return `Waiting for the ${waiting.dependency} since ${moment(waiting.since)}. Nothing is lost.`;
    }
    if (counts.items === null) return `Reading the list of pictures${kind}…`;
    const left = eta_s === null ? "" : `, about ${seconds(eta_s)} left`;
    return `${Math.floor(progress * 100)}% of ${count(counts.items, "picture")}${left}${kind}`;
  }

  /** The import has ended: show why it failed, or which pictures did. */
  settle() {
    const { error, counts } = this.record;
    if (error) showProblem(this.error, error);
    this.file.hidden = !counts.items;
    this.fix.hidden = !counts.failed;
    if (counts.items) this.ledger.show(this.url, counts);
  }

  async withdraw() {
    const following = this.following;
    this.cancel.disabled = true;
    try {
      const record = await json(this.url, { method: "DELETE" });
      if (this.following !== following) return; // another import is shown now
      this.record = record;
      this.draw();
    } catch (problem) {
      if (this.following === following) showProblem(this.error, problem);
    } finally {
      this.cancel.disabled = false;
    }
  }

  /** Have what failed tried again, and follow the import anew. */
  async tryAgain() {
    const following = this.following;
    this.retry.disabled = true;
    try {
      const record = await json(`${this.url}/retry`, { method: "POST" });
      if (this.following === following) await this.show(record);
    } catch (problem) {
      if (this.following === following) showProblem(this.error, problem);
    } finally {
      this.retry.disabled = false;
    }
  }

  async download(button, made) {
    button.disabled = true;
    try {
      await made(this.url, this.record);
    } catch (problem) {
      showProblem(this.error, problem);
    } finally {
      button.disabled = false;
    }
  }
}

function over(record) {
  return Boolean(record.finished_at);
}

function lost() {
  byId("job-text").textContent = "The server is not responding. Trying again…";
}

/** Write a status into its badge; unchanged text is not announced again. */
export function badge(place, status) {
  const words = STATUS[status] ?? status;
  if (place.textContent !== words) place.textContent = words;
  place.dataset.status = status;
  return place;
}
