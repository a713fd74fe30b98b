/* Purpose: choose a part of the query picture, by dragging or by numbers. */

import { el } from "./dom.js";

const LEAST = 0.03; // anything smaller is treated as an accidental drag
const FIELD_PAUSE_MS = 400;

/** A box [x0, y0, x1, y1] in 0–1 of the picture, or null for all of it. */
export class CropBox {
  /** `surface` lies over the picture; `fields` are the inputs left, top, right, bottom. */
  constructor(surface, fields, changed) {
    Object.assign(this, { surface, fields, changed, box: null });
    this.frame = el("div", { className: "crop-frame", hidden: true });
    for (const corner of ["00", "10", "11", "01"]) {
      this.frame.append(el("i", { className: "crop-corner", data: { corner } }));
    }
    surface.append(this.frame);
    surface.addEventListener("pointerdown", (event) => this.grab(event));
    for (const field of fields) field.addEventListener("change", () => this.typed());
  }

  /** Show a box without calling `changed`. */
  set(box) {
    this.box = box;
    this.frame.hidden = box === null;
    const [x0, y0, x1, y1] = box ?? [0, 0, 1, 1];
    this.frame.style.left = `${x0 * 100}%`;
    this.frame.style.top = `${y0 * 100}%`;
    this.frame.style.width = `${(x1 - x0) * 100}%`;
    this.frame.style.height = `${(y1 - y0) * 100}%`;
    [x0, y0, x1, y1].forEach((edge, i) => {
      this.fields[i].value = String(Math.round(edge * 100));
    });
  }

  grab(event) {
    if (event.button !== 0 || !event.isPrimary) return;
    event.preventDefault();
    const before = this.box;
    const start = this.point(event);
    const move = this.gesture(event.target, start);
    let moved = false;
    const follow = (next) => {
      const [x, y] = this.point(next);
      moved ||= Math.hypot(x - start[0], y - start[1]) > 0.01;
      if (moved) this.set(move([x, y]));
    };
    const release = (next) => {
      this.surface.removeEventListener("pointermove", follow);
      this.surface.removeEventListener("pointerup", release);
      this.surface.removeEventListener("pointercancel", release);
      const spoiled = next.type === "pointercancel" || (this.box && !usable(this.box));
      if (spoiled) this.set(before);
      else if (moved) this.changed(this.box);
    };
    this.surface.setPointerCapture(event.pointerId);
    this.surface.addEventListener("pointermove", follow);
    this.surface.addEventListener("pointerup", release);
    this.surface.addEventListener("pointercancel", release);
  }

  /** What dragging does: move a corner, move the frame, or draw a new one. */
  gesture(target, start) {
    const corner = target.dataset.corner;
    if (corner) {
      const [x0, y0, x1, y1] = this.box;
      const fixed = [corner[0] === "1" ? x0 : x1, corner[1] === "1" ? y0 : y1];
      return (point) => between(fixed, point);
    }
    if (target === this.frame) {
      const held = this.box;
      return (point) => shifted(held, point[0] - start[0], point[1] - start[1]);
    }
    return (point) => between(start, point);
  }

  point(event) {
    const area = this.surface.getBoundingClientRect();
    return [
      clamp((event.clientX - area.left) / area.width),
      clamp((event.clientY - area.top) / area.height),
    ];
  }

  typed() {
    clearTimeout(this.timer);
    const edges = this.fields.map((field) => clamp(Number(field.value) / 100));
    const good = usable(edges);
    const text = good ? "" : "The right edge must be to the right of the left edge, and the bottom below the top.";
    for (const field of this.fields) field.setCustomValidity(text);
    if (!good) {
      this.fields[0].reportValidity();
      return;
    }
    this.timer = setTimeout(() => {
      const whole = edges.join() === "0,0,1,1";
      this.set(whole ? null : edges);
      this.changed(this.box);
    }, FIELD_PAUSE_MS);
  }
}

function clamp(value) {
  return Math.min(1, Math.max(0, Number.isFinite(value) ? value : 0));
}

function usable([x0, y0, x1, y1]) {
  return x1 - x0 >= LEAST && y1 - y0 >= LEAST;
}

function between([ax, ay], [bx, by]) {
  return [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];
}

function shifted([x0, y0, x1, y1], dx, dy) {
  const x = Math.min(1 - x1, Math.max(-x0, dx));
  const y = Math.min(1 - y1, Math.max(-y0, dy));
  return [x0 + x, y0 + y, x1 + x, y1 + y];
}
