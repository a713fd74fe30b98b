/* Purpose: one search, from sending the picture to its end; cancelling also tells the server. */

import { Problem, json, send } from "./api.js";
import { follow } from "./follow.js";

const WAIT = { Prefer: "wait=5" };
const LIMIT = "40";
const HOW = { over, told() {}, lost() {}, every: 250, patience: 3, headers: WAIT };

// The POST does not wait for the result: it returns the search's id at once, so that the search can
// be cancelled.

/** Run a query, {catalog, focus, picture, box} or {catalog, focus, product}; return the succeeded Search. */
export async function search(query, signal) {
  const accepted = await json("/v1/searches", { method: "POST", signal, ...request(query) });
  return finish(accepted, signal);
}

/** Read an earlier search, if the server still has it, and wait for its end. */
export async function restore(id, signal) {
  const record = await json(`/v1/searches/${encodeURIComponent(id)}`, { signal, headers: WAIT });
  return finish(record, signal);
}

function request({ catalog, focus, picture, box, product }) {
  if (product) {
    const body = { catalog, focus, product: { id: product.id }, group: true, limit: Number(LIMIT) };
    return {
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    };
  }
  const form = new FormData();
  form.set("image", picture, picture.name || "picture");
  form.set("catalog", catalog);
  form.set("group", "true");
  form.set("limit", LIMIT);
  if (box) form.set("box", JSON.stringify(box));
  if (focus) form.set("focus", focus);
  return { body: form };
}

async function finish(record, signal) {
  const url = `/v1/searches/${encodeURIComponent(record.id)}`;
  const withdraw = () => {
    send(url, { method: "DELETE", keepalive: true }).catch(() => {}); // it expires anyway
  };
  signal.addEventListener("abort", withdraw, { once: true });
  try {
    return outcome(over(record) ? record : await follow(url, HOW, signal));
  } finally {
    signal.removeEventListener("abort", withdraw);
  }
}

function over({ status }) {
  return status !== "queued" && status !== "running";
}

function outcome(record) {
  if (record.status === "succeeded") return record;
  if (record.error) throw new Problem(record.error);
  throw new Problem({ code: record.status });
}
