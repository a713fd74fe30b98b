/* Purpose: create elements and format values. Text is always inserted as text, never as markup. */

/** The element with this id; if it is missing, the template is wrong. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no #${id}.`);
  return found;
}

/** Make an element: properties by name, `data` and `aria` objects, children as text or nodes. */
export function el(tag, properties = {}, ...children) {
  const { data = {}, aria = {}, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  Object.assign(made.dataset, data);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(`aria-${name}`, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const numbers = new Intl.NumberFormat("en");
const moments = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** 12345 → "12,345". */
export function number(value) {
  return numbers.format(value);
}

/** "1 product", "300 products". */
export function count(value, noun) {
  return `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** Milliseconds, precise enough to compare and short enough to read. */
export function milliseconds(value) {
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

/** 20971520 → "20 MB". */
export function bytes(value) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let step = 0;
  for (; value >= 1024 && step < units.length - 1; step += 1) value /= 1024;
  return `${value < 10 && step ? value.toFixed(1) : Math.round(value)} ${units[step]}`;
}

/** A duration in seconds, in a unit that suits it. */
export function seconds(value) {
  if (value < 90) return `${Math.max(1, Math.round(value))} s`;
  return value < 5400 ? `${Math.round(value / 60)} min` : `${(value / 3600).toFixed(1)} h`;
}

/** A server time in the user's own time zone. */
export function moment(value) {
  const when = new Date(value);
  return Number.isNaN(when.getTime()) ? "" : moments.format(when);
}

/** The URL if a browser may follow it (http or https), else null: never `javascript:`. */
export function safeLink(text) {
  try {
    const url = new URL(text);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

/** A path or URL as content that is broken after its slashes. */
export function breakable(text) {
  return text.split(/(?<=\/)(?!\/)/).flatMap((part) => [part, el("wbr")]);
}

/** A small picture, of which nobody reads the name; where there is none, a blank one. */
export function thumbnail(url) {
  const blank = () => el("span", { className: "thumb" });
  if (!url) return blank();
  const image = el("img", { className: "thumb", src: url, alt: "", loading: "lazy" });
  image.addEventListener("error", () => image.replaceWith(blank()), { once: true });
  return image;
}

/** Read and write a remembered choice; where the browser forbids storage, nothing is kept. */
export const memory = {
  get(name) {
    try {
      return localStorage.getItem(`visearch.${name}`);
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`visearch.${name}`, value);
    } catch {
      /* Storage is forbidden: nothing is remembered. */
    }
  },
};
