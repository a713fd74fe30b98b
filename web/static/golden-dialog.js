/* Purpose: the dialog in which a golden query is made. */

import { json, Problem } from "./api.js";
import { catalogUrl, closable, NAMES } from "./catalog-dialogs.js";
import { byId } from "./dom.js";
import { show as showProblem } from "./problems.js";

export class GoldenDialog {
  /**
   * `rule` is what a name must match; `taken(name)` tells of another golden query; `saved()` runs
   * when the server has this one.
   */
  constructor({ rule, taken, saved }) {
    Object.assign(this, { taken, saved, allowed: new RegExp(`^(?:${rule})$`) });
    this.dialog = closable(byId("golden-dialog"));
    this.form = byId("golden-form");
    this.error = byId("golden-error");
    this.name = byId("golden-name");
    this.image = byId("golden-image");
    this.products = byId("golden-products");
    this.button = byId("golden-save");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.save();
    });
  }

  open(catalog) {
    this.catalog = catalog;
    this.form.reset();
    this.error.replaceChildren();
    this.dialog.showModal();
    this.name.focus();
  }

  /** What the user has stated; throws a Problem if something is missing. */
  get stated() {
    const name = this.name.value.trim();
    const [image] = this.image.files;
    const products = this.products.value.split("\n").map((line) => line.trim()).filter(Boolean);
    if (!name || !image || !products.length) {
      throw refusal("Give the golden query a name, a picture and the ID of a product.");
    }
    if (!this.allowed.test(name)) throw refusal(`“${name}” is not a valid name. ${NAMES}`);
    if (this.taken(name)) throw refusal(`There is a golden query “${name}” already.`);
    return { name, image, products };
  }

  async save() {
    this.button.disabled = true;
    try {
      const { name, image, products } = this.stated;
      const body = new FormData();
      body.set("image", image);
      body.set("golden", JSON.stringify({ products }));
      const url = `${catalogUrl(this.catalog)}/golden/${encodeURIComponent(name)}`;
      await json(url, { method: "PUT", body });
      this.dialog.close();
      await this.saved();
    } catch (problem) {
      showProblem(this.error, problem);
    } finally {
      this.button.disabled = false;
    }
  }
}

function refusal(detail) {
  return new Problem({ code: "invalid_request", detail });
}
