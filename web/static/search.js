/* Purpose: the search page: from the query picture to the products shown. */

import { Problem } from "./api.js";
import { CatalogPicker } from "./catalog-picker.js";
import { byId, bytes } from "./dom.js";
import { FocusPicker } from "./focus-picker.js";
import { pictureSources } from "./picture-sources.js";
import { Preview } from "./preview.js";
import { show as showProblem } from "./problems.js";
import { explainNumbers, showHits, summary } from "./results.js";
import { DEMO, showSamples } from "./samples.js";
import { restore, search } from "./search-job.js";

const REMEMBERED = 20; // queries of this visit whose pictures the back button can restore
const STACKED = matchMedia("(max-width: 55.99rem)");
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

class SearchPage {
  constructor() {
    this.bench = byId("bench");
    this.status = byId("status");
    this.error = byId("error");
    this.hits = byId("hits");
    this.cancel = byId("cancel");
    this.heading = byId("answers-title");
    this.heading.tabIndex = -1;
    this.about = byId("about");
    this.limit = Number(this.bench.dataset.maxImageBytes);
    this.queries = new Map();
    this.query = null;
    this.running = null;
    this.preview = new Preview((box) => this.crop(box));
    this.picker = new CatalogPicker(byId("catalog"), (catalog) => this.searchIn(catalog));
    this.focus = new FocusPicker(byId("focus-field"), byId("focus"), () => this.refocus());
  }

  async start() {
    this.cancel.addEventListener("click", () => this.stop());
    addEventListener("popstate", () => this.followAddress());
    const take = (file, label) => this.take(file, label);
    const refuse = (problem) => this.fail(problem);
    pictureSources({
      inputs: [byId("file"), byId("camera")],
      veil: byId("veil"),
      take: (file) => take(file, file.name || "Pasted picture"),
      refuse,
    });
    this.ready = this.loadCatalogs();
    if (!(await this.ready)) return;
    if (!this.query) this.followAddress(); // the user may have chosen a picture meanwhile
    if (this.picker.has(DEMO)) this.offerSamples(refuse).catch(() => {}); // the page works without them
  }

  /** Fill the picker; return whether that succeeded. */
  async loadCatalogs() {
    try {
      await this.picker.load(new URLSearchParams(location.search).get("catalog"));
      this.offerFocus();
      if (!this.picker.current) this.say("There are no catalogs yet. Create one under “Catalogs”.");
      return true;
    } catch (problem) {
      this.fail(problem, () => location.reload());
      return false;
    }
  }

  offerSamples(refuse) {
    const places = { section: byId("samples"), list: byId("sample-list") };
    const take = (file, label) => {
      this.choose(DEMO);
      this.take(file, label);
    };
    return showSamples(places, take, refuse);
  }

  /** Search with a file the user has just provided. */
  async take(file, label) {
    const query = { picture: file, label, box: null };
    this.stop();
    this.present(query);
    const loaded = await this.ready;
    if (!loaded || this.query !== query) return undefined;
    return this.run({ ...query, catalog: this.picker.current?.name }, { scroll: true });
  }

  /** Search with part of the picture that is shown. */
  async crop(box) {
    const query = this.query;
    const loaded = await this.ready;
    if (!loaded || this.query !== query) return undefined;
    const catalog = query.catalog ?? this.picker.current?.name;
    return this.run({ ...query, catalog, box }, { replace: true });
  }

  /** The Problem that keeps a query from being sent; null if there is none. */
  obstacle({ catalog, picture, label }) {
    if (!catalog) return new Problem({ code: "no_catalog", detail: NO_CATALOG });
    if (!(picture?.size > this.limit)) return null;
    const detail =
      `“${label}” is ${bytes(picture.size)}; the limit is ${bytes(this.limit)}. ` +
      "Send a smaller copy.";
    return new Problem({ code: "image_too_large", detail });
  }

  /** Search with a product's own picture. */
  more(hit) {
    const product = { id: hit.product_id, imageUrl: hit.image_url };
    const label = `Like “${hit.title || hit.product_id}”`;
    const catalog = this.shown.catalog;
    this.run({ catalog, product, label, box: null }, { scroll: true, focus: true });
  }

  choose(catalog) {
    this.picker.choose(catalog);
    this.offerFocus();
  }

  offerFocus() {
    this.focus.offer(this.picker.current?.name);
  }

  /** Search again, for what the user now looks for. */
  refocus() {
    if (this.query && !this.query.shared) this.run(this.query, { replace: true });
  }

  searchIn(catalog) {
    this.offerFocus();
    if (this.query?.picture) this.run({ ...this.query, catalog });
    else if (this.query) {
      history.pushState(null, "", `/?${new URLSearchParams({ catalog })}`);
      this.reset();
    }
  }

  run(query, options = {}) {
    this.present(query);
    const obstacle = this.obstacle(query);
    if (obstacle) {
      this.stop();
      return this.fail(obstacle);
    }
    const again = () => this.run(query, options);
    let focus = null;
    const work = async (signal) => {
      focus = await this.focus.current();
      return search({ ...query, focus }, signal);
    };
    return this.attempt(work, again, (found) => {
      this.remember(found.id, { ...query, focus });
      const address = `/?${new URLSearchParams({ catalog: found.catalog, search: found.id })}`;
      history[options.replace ? "replaceState" : "pushState"](null, "", address);
      this.arrive(options);
    });
  }

  /** Show what the URL names: an earlier search, or the empty page. */
  followAddress() {
    const parameters = new URLSearchParams(location.search);
    const id = parameters.get("search");
    this.choose(parameters.get("catalog"));
    if (!id) return this.reset();
    const query = this.queries.get(id) ?? { label: "An earlier search", shared: true };
    this.focus.choose(query.focus);
    this.present(query);
    return this.attempt((signal) => restore(id, signal), () => this.followAddress());
  }

  /** Run one search at a time: a new search cancels the previous one. */
  async attempt(work, again, done) {
    this.stop();
    const controller = new AbortController();
    this.running = controller;
    this.busy(true);
    try {
      const found = await work(controller.signal);
      if (this.running !== controller) return;
      this.busy(false);
      this.showResult(found);
      done?.(found);
    } catch (problem) {
      if (this.running !== controller) return;
      this.busy(false);
      if (problem.name !== "AbortError") this.fail(problem, again);
    }
  }

  stop() {
    const running = this.running;
    this.running = null;
    if (!running) return;
    running.abort();
    this.busy(false);
    this.bench.dataset.state = this.hits.childElementCount ? "result" : "error";
    this.say("Search cancelled.");
  }

  busy(on) {
    this.hits.setAttribute("aria-busy", String(on));
    this.cancel.hidden = !on;
    if (!on) return;
    this.error.replaceChildren();
    this.bench.dataset.state = "busy";
    this.say("Searching…");
  }

  present(query) {
    this.query = query;
    this.bench.dataset.query = query ? "yes" : "no";
    byId("file-label").textContent = query ? "Choose another picture" : "Choose a picture";
    this.preview.show(query);
  }

  showResult(found) {
    this.running = null;
    this.shown = found;
    const metric = this.picker.find(found.catalog)?.metric ?? "cosine";
    this.choose(found.catalog);
    this.bench.dataset.state = "result";
    showHits(this.hits, found.results, metric, (hit) => this.more(hit));
    const places = {
      score: byId("about-score"),
      time: byId("about-time"),
      times: byId("times"),
    };
    explainNumbers(places, found, metric);
    this.about.hidden = false;
    this.say(summary(found));
  }

  arrive({ scroll, focus }) {
    if (focus) this.heading.focus({ preventScroll: true });
    if (!scroll) return;
    const behavior = CALM.matches ? "auto" : "smooth";
    if (STACKED.matches) this.heading.scrollIntoView({ behavior, block: "start" });
    else scrollTo({ top: 0, behavior });
  }

  fail(problem, again) {
    this.running = null;
    this.busy(false);
    this.clearHits();
    this.bench.dataset.state = "error";
    this.say("");
    showProblem(this.error, problem, again);
    if (STACKED.matches) this.error.scrollIntoView({ block: "nearest" });
  }

  reset() {
    this.stop();
    this.present(null);
    this.clearHits();
    this.error.replaceChildren();
    this.bench.dataset.state = "empty";
    if (this.picker.current) this.say("");
  }

  clearHits() {
    this.hits.replaceChildren();
    this.about.hidden = true;
  }

  remember(id, query) {
    this.queries.set(id, query);
    if (this.queries.size > REMEMBERED) this.queries.delete(this.queries.keys().next().value);
  }

  say(text) {
    this.status.textContent = text;
  }
}

const NO_CATALOG = "There are no catalogs to search yet. Create one under “Catalogs” first.";

new SearchPage().start();
