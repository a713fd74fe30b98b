/* Purpose: the merchant page: which catalog is open, and how the parts of the page work together. */

import { json } from "./api.js";
import { ArchiveUpload } from "./archive-upload.js";
import { catalogUrl, createDialog, deleteDialog } from "./catalog-dialogs.js";
import { CatalogShelf, holds } from "./catalog-shelf.js";
import { byId } from "./dom.js";
import { EncoderPart } from "./encoder.js";
import { Feeds } from "./feeds.js";
import { ImportList } from "./import-list.js";
import { ImportPanel } from "./import-panel.js";
import { Products } from "./products.js";
import { show as showProblem } from "./problems.js";
import { Quality } from "./quality.js";
import { Question } from "./question.js";
import { Ranking } from "./ranking.js";
import { Twins } from "./twins.js";

class MerchantPage {
  constructor() {
    const { nameRule, maxUploadBytes } = byId("shop").dataset;
    this.error = byId("page-error");
    this.desk = byId("desk");
    this.shelf = new CatalogShelf((name) => this.open(name, { remember: true }));
    this.panel = new ImportPanel(() => this.refresh());
    this.imports = new ImportList({
      opened: (record) => this.showImport(record),
      failed: (problem) => showProblem(this.error, problem, () => this.refresh()),
    });
    const question = new Question();
    this.products = new Products({ question, changed: () => this.refresh() });
    this.twins = new Twins({ question, changed: () => this.refresh() });
    this.quality = new Quality({ question, rule: nameRule });
    this.ranking = new Ranking();
    this.encoder = new EncoderPart({ question });
    this.feeds = new Feeds({
      question,
      rule: nameRule,
      opened: (record) => this.showImport(record),
      changed: () => this.refresh(),
    });
    this.upload = new ArchiveUpload({
      limit: Number(maxUploadBytes),
      catalog: () => this.shelf.name,
      accepted: (record) => this.accepted(record),
    });
    const create = createDialog({
      rule: nameRule,
      taken: (name) => Boolean(this.shelf.find(name)),
      created: (name) => this.created(name),
    });
    const remove = deleteDialog(() => this.deleted());
    byId("new-catalog").addEventListener("click", create);
    byId("delete-catalog").addEventListener("click", () => remove(this.shelf.current));
    addEventListener("popstate", () => this.followAddress());
  }

  async start() {
    try {
      await this.shelf.load();
    } catch (problem) {
      showProblem(this.error, problem, () => location.reload());
      return;
    }
    this.followAddress();
  }

  followAddress() {
    const named = new URLSearchParams(location.search).get("catalog");
    if (named && !this.shelf.find(named)) {
      const detail = `There is no catalog named “${named}”. Choose one from the list.`;
      showProblem(this.error, { code: "not_found", detail });
      return this.close();
    }
    const name = named ?? this.shelf.catalogs[0]?.name;
    return name ? this.open(name) : this.close();
  }

  async open(name, { remember = false } = {}) {
    if (remember && name !== this.shelf.name) {
      history.pushState(null, "", `/merchant?${new URLSearchParams({ catalog: name })}`);
    }
    this.error.replaceChildren();
    this.upload.reset();
    this.panel.hide();
    this.shelf.select(name);
    this.describe();
    this.desk.hidden = false;
    this.feeds.load(name);
    this.products.load(name);
    this.twins.load(name);
    this.quality.load(name);
    this.ranking.load(name);
    this.encoder.load(name);
    const items = await this.imports.load(name);
    const live = items.find((record) => !record.finished_at);
    if (live && this.shelf.name === name) this.panel.show(live);
  }

  close() {
    this.shelf.select(null);
    this.panel.hide();
    this.feeds.close();
    this.quality.close();
    this.ranking.close();
    this.encoder.close();
    this.desk.hidden = true;
  }

  describe() {
    const catalog = this.shelf.current;
    byId("desk-title").textContent = catalog.title || catalog.name;
    const metric = catalog.metric === "cosine" ? "cosine similarity" : "Euclidean distance";
    byId("desk-facts").textContent = `${catalog.name} · ${holds(catalog)} · ${metric}`;
    byId("desk-search").href = `/?${new URLSearchParams({ catalog: catalog.name })}`;
  }

  /** The server has the file; follow its import. */
  accepted(record) {
    if (record.catalog !== this.shelf.name) return; // the user has opened another catalog
    this.present(record);
    this.imports.load(record.catalog);
  }

  async showImport(record) {
    try {
      const now = `${catalogUrl(record.catalog)}/imports/${encodeURIComponent(record.id)}`;
      this.present(await json(now));
    } catch (problem) {
      showProblem(this.error, problem);
    }
  }

  /** Show an import to the user who has asked for it: what was pressed is gone, or far below. */
  present(record) {
    this.panel.show(record);
    byId("job-title").focus({ preventScroll: true });
    byId("job").scrollIntoView({ block: "start" });
  }

  /** Reload what changes when an import ends: the counts and the list of imports. */
  async refresh() {
    const name = this.shelf.name;
    try {
      await this.shelf.load();
    } catch (problem) {
      showProblem(this.error, problem, () => this.refresh());
      return;
    }
    if (this.shelf.name !== name || !this.shelf.current) return;
    this.describe();
    this.products.load(name);
    this.twins.load(name);
    this.quality.load(name);
    this.ranking.load(name);
    this.encoder.load(name);
    await this.imports.load(name);
  }

  async created(name) {
    await this.refresh();
    await this.open(name, { remember: true });
    byId("desk-title").focus();
  }

  async deleted() {
    history.replaceState(null, "", "/merchant");
    this.close();
    await this.start();
    byId("new-catalog").focus();
  }
}

new MerchantPage().start();
