/* Purpose: go through the pages of a list, forwards and back, by the server's cursors. */

import { el } from "./dom.js";

export class Pager {
  /** `turned()` runs when the user turns the page; it loads the one at `cursor`. */
  constructor(place, turned) {
    this.place = place;
    this.turned = turned;
    this.back = el("button", { type: "button" }, "Previous");
    this.forth = el("button", { type: "button" }, "Next");
    this.number = el("span");
    this.number.setAttribute("role", "status");
    this.back.addEventListener("click", () => this.turn(() => this.passed.pop()));
    this.forth.addEventListener("click", () => this.turn(() => this.passed.push(this.next)));
    place.replaceChildren(this.back, this.number, this.forth);
    this.reset();
  }

  /** Go back to the first page. */
  reset() {
    this.passed = [];
    this.next = null;
    this.place.hidden = true;
  }

  /** The cursor of the page to load; empty for the first. */
  get cursor() {
    return this.passed.at(-1) ?? "";
  }

  turn(move) {
    move();
    this.turned();
  }

  /** A page was loaded: this is the cursor of the next one, or null. */
  loaded(next) {
    this.next = next;
    this.place.hidden = next === null && !this.passed.length;
    const focused = this.place.contains(document.activeElement);
    this.back.disabled = !this.passed.length;
    this.forth.disabled = next === null;
    this.number.textContent = `Page ${this.passed.length + 1}`;
    if (focused && document.activeElement.disabled) {
      (this.back.disabled ? this.forth : this.back).focus();
    }
  }
}
