/* Purpose: show the query picture, and let the user select part of it. */

import { CropBox } from "./crop-box.js";
import { byId } from "./dom.js";

const EDGES = ["left", "top", "right", "bottom"];

export class Preview {
  /** `cropped(box)` runs when the user selects another part. */
  constructor(cropped) {
    this.figure = byId("preview");
    this.stage = byId("stage");
    this.picture = byId("query-picture");
    this.caption = byId("query-caption");
    this.surface = byId("crop");
    this.fields = byId("crop-fields");
    this.clear = byId("crop-clear");
    const inputs = EDGES.map((edge) => byId(`crop-${edge}`));
    this.crop = new CropBox(this.surface, inputs, (box) => {
      this.clear.hidden = box === null;
      cropped(box);
    });
    this.clear.addEventListener("click", () => {
      this.setBox(null);
      this.fields.querySelector("summary").focus();
      cropped(null);
    });
    this.picture.addEventListener("load", () => this.loaded(true));
    this.picture.addEventListener("error", () => this.unseeable());
  }

  /** Show a query: its picture's file, or the product it came from, or nothing. */
  show(query) {
    const same = query?.picture && query.picture === this.query?.picture;
    this.query = query;
    this.figure.hidden = !query;
    this.setBox(query?.box ?? null);
    if (same) return;
    this.forget();
    this.loaded(false);
    if (!query) return;
    this.caption.textContent = query.label;
    this.picture.alt = `Your query: ${query.label}`;
    if (query.picture) this.address = URL.createObjectURL(query.picture);
    const source = this.address ?? query.product?.imageUrl;
    if (source) this.picture.src = source;
    else this.picture.removeAttribute("src");
  }

  setBox(box) {
    this.crop.set(box);
    this.clear.hidden = box === null;
  }

  /** A part can be selected only if the browser can show the picture and the page has its file. */
  loaded(visible) {
    const usable = Boolean(visible && this.query?.picture);
    this.stage.hidden = !visible;
    this.surface.hidden = this.fields.hidden = !usable;
    if (!usable) this.clear.hidden = true;
  }

  unseeable() {
    this.loaded(false);
    if (!this.query?.picture) return;
    this.caption.textContent = `${this.query.label} (your browser cannot show this file)`;
  }

  forget() {
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = null;
  }
}
