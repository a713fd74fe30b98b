/* Purpose: show what a search found: pictures, how similar they are, and how long it took. */

import { count, el, milliseconds, safeLink } from "./dom.js";

const TAGS_SHOWN = 5;
const PARTS = {
  queue: "waiting for a worker",
  decode: "reading your picture",
  encode: "encoding it",
  search: "comparing it with the catalog",
  hydrate: "fetching the products",
};

/** Fill the list of hits; `more(hit)` runs when the user asks for more like one. */
export function showHits(list, hits, metric, more) {
  list.replaceChildren(...hits.map((hit) => el("li", {}, card(hit, metric, more))));
}

function card(hit, metric, more) {
  const title = hit.title || hit.product_id;
  const button = el("button", { type: "button", className: "quiet" }, "More like this");
  button.setAttribute("aria-label", `More like this: ${title}`);
  button.addEventListener("click", () => more(hit));
  const actions = el("p", { className: "hit-actions" }, button);
  const link = safeLink(hit.url);
  if (link) {
    const text = ["Product page", el("span", { className: "unseen" }, ` of ${title}`)];
    actions.append(el("a", { href: link, rel: "noopener noreferrer", target: "_blank" }, ...text));
  }
  const picture = el("img", { alt: title, loading: "lazy", decoding: "async" });
  picture.src = hit.image_url;
  return el(
    "article",
    { className: "hit", data: { product: hit.product_id } },
    el("div", { className: "hit-picture" }, picture),
    score(hit.score, metric),
    el("h3", {}, title),
    tags(hit.attributes),
    actions,
  );
}

function score(value, metric) {
  if (metric === "euclidean") {
    return el("p", { className: "score" }, `distance ${Math.abs(value).toFixed(3)}`);
  }
  const percent = Math.round(Math.max(0, value) * 100);
  const fill = el("i", {});
  fill.style.width = `${percent}%`;
  return el(
    "p",
    { className: "score" },
    el("span", { className: "bar", aria: { hidden: "true" } }, fill),
    el("span", {}, `${percent}% similar`),
  );
}

function tags(attributes) {
  const entries = Object.entries(attributes ?? {});
  if (!entries.length) return null;
  const shown = entries.slice(0, TAGS_SHOWN).map(([name, value]) => {
    const text = Array.isArray(value) ? value.join(", ") : String(value);
    return el("li", {}, el("span", {}, `${name} `), text);
  });
  const rest = entries.length - TAGS_SHOWN;
  if (rest > 0) shown.push(el("li", {}, `${rest} more`));
  return el("ul", { className: "tags" }, ...shown);
}

/** One sentence about a finished search. */
export function summary(search) {
  const found = search.results.length;
  if (!found) return `No products found. Try another picture or catalog${missing(search)}.`;
  const among = search.total === null ? "" : ` among ${count(search.total, "picture")}`;
  const time = search.timings_ms ? ` in ${milliseconds(search.timings_ms.total)}` : "";
  const how = search.cached ? ", from an earlier search" : time;
  return `${count(found, "product")} found${among}${how}${missing(search)}.`;
}

/** What to add when part of the catalog did not answer in time. */
function missing({ shards }) {
  if (!shards || shards.answered === shards.asked) return "";
  return `. Only ${shards.answered} of ${shards.asked} parts of the catalog answered`;
}

/** Explain the score and the time. */
export function explainNumbers({ score: scoreText, time, times }, search, metric) {
  scoreText.textContent =
    metric === "euclidean"
      ? "Distance: how far apart the encoder places two pictures. 0 means the same picture."
      : "Similarity: how alike the encoder finds two pictures (their cosine). 100% means the " +
        "same picture. It ranks products; it is not the probability that they are the same.";
  const parts = search.timings_ms;
  time.textContent = parts
    ? `The search took ${milliseconds(parts.total)}` +
      (search.cached ? " when it first ran; this result was cached." : ", of which:")
    : "";
  const named = Object.entries(PARTS).filter(([name]) => parts && name in parts);
  times.replaceChildren(
    ...named.map(([name, label]) =>
      el("div", {}, el("dt", {}, label), el("dd", {}, milliseconds(parts[name]))),
    ),
  );
  times.hidden = search.cached || !named.length;
}
