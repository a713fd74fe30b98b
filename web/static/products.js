/* Purpose: the products of a catalog: browse and find them, have one edited or deleted. */

import { json, send } from "./api.js";
import { catalogUrl, productUrl } from "./catalog-dialogs.js";
import { byId, count, el, safeLink, thumbnail } from "./dom.js";
import { Pager } from "./pager.js";
import { ProductEditor } from "./product-editor.js";
import { show as showProblem } from "./problems.js";

const PAGE = "20";
const SHOWN = 4;

export class Products {
  /** `question` asks before a deletion; `changed()` runs when a product is gone. */
  constructor({ question, changed }) {
    Object.assign(this, { question, changed });
    this.error = byId("products-error");
    this.wanted = byId("product-wanted");
    this.rows = byId("product-rows");
    this.pager = new Pager(byId("product-pager"), () => this.page());
    this.editor = new ProductEditor((id) => this.edited(id));
    byId("product-search").addEventListener("submit", (event) => {
      event.preventDefault();
      this.first();
    });
    this.wanted.addEventListener("search", () => this.wanted.value || this.first());
  }

  /** Show the first products of a catalog; the same one again keeps its place. */
  load(catalog) {
    if (this.catalog === catalog) return this.page();
    this.catalog = catalog;
    this.wanted.value = "";
    return this.first();
  }

  first() {
    this.pager.reset();
    return this.page();
  }

  async page() {
    const asked = this.catalog;
    const query = new URLSearchParams({ limit: PAGE });
    const wanted = this.wanted.value.trim();
    if (wanted) query.set("q", wanted);
    if (this.pager.cursor) query.set("cursor", this.pager.cursor);
    this.asked = query;
    try {
      const page = await json(`${catalogUrl(asked)}/products?${query}`);
      if (this.catalog !== asked || this.asked !== query) return;
      this.error.replaceChildren();
      this.draw(page.items, wanted);
      this.pager.loaded(page.next_cursor);
    } catch (problem) {
      if (this.catalog === asked) showProblem(this.error, problem, () => this.page());
    }
  }

  draw(items, wanted) {
    this.rows.replaceChildren(...items.map((product) => this.row(product)));
    byId("product-table").hidden = !items.length;
    const none = byId("no-products");
    none.hidden = items.length > 0;
    none.textContent = wanted ? `No product is called “${wanted}”.` : "There are no products yet.";
  }

  row(product) {
    const name = product.title || product.id;
    const edit = el("button", { type: "button", className: "quiet" }, "Edit");
    edit.setAttribute("aria-label", `Edit ${name}`);
    edit.addEventListener("click", () => this.edit(product.id));
    const remove = el("button", { type: "button", className: "quiet danger" }, "Delete");
    remove.setAttribute("aria-label", `Delete ${name}`);
    remove.addEventListener("click", () => this.ask(product));
    return el(
      "tr",
      { data: { product: product.id } },
      el(
        "th",
        { scope: "row" },
        el(
          "span",
          { className: "pictured" },
          thumbnail(product.images[0]?.url),
          el("span", {}, linked(name, product.url), el("small", {}, facts(product))),
        ),
      ),
      el("td", { data: { label: "Attributes" } }, summary(product.attributes)),
      el("td", { className: "changes" }, edit, remove),
    );
  }

  /** Edit a product as it is now: it may have changed since it was listed. */
  async edit(id) {
    try {
      this.editor.open(this.catalog, await json(productUrl(this.catalog, id)));
    } catch (problem) {
      showProblem(this.error, problem);
    }
  }

  async edited(id) {
    await this.page();
    this.focus(id);
  }

  ask(product) {
    const { catalog } = this;
    const pictures = count(product.images.length, "picture");
    this.question.ask({
      title: "Delete this product?",
      text:
        `“${product.title || product.id}” (${product.id}) and its ${pictures} will disappear from ` +
        "every search. This cannot be undone.",
      yes: "Delete for good",
      done: async () => {
        await send(productUrl(catalog, product.id), { method: "DELETE" });
        await this.page();
        this.changed();
        return byId("products-title");
      },
    });
  }

  focus(id) {
    const row = [...this.rows.children].find((each) => each.dataset.product === id);
    (row?.querySelector("button") ?? byId("products-title")).focus();
  }
}

function linked(name, url) {
  const href = url && safeLink(url);
  return href ? el("a", { href, rel: "noreferrer" }, name) : name;
}

function facts({ id, title, images }) {
  return [...(title ? [id] : []), count(images.length, "picture")].join(" · ");
}

function summary(attributes) {
  const entries = Object.entries(attributes);
  if (!entries.length) return "–";
  const shown = entries.slice(0, SHOWN).map(([name, value]) => `${name}: ${words(value)}`);
  const more = entries.length - shown.length;
  return shown.join("; ") + (more ? `; and ${more} more` : "");
}

function words(value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  const text = Array.isArray(value) ? value.join(", ") : String(value);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
