/* Purpose: speak HTTP with the server; every failure becomes a Problem with a code. */

export class Problem extends Error {
  constructor({ code, detail = "", status = 0, retryAfter = 0, upload = null, errors = null }) {
    super(detail || code);
    Object.assign(this, { code, detail, status, retryAfter, upload, errors });
  }
}

/** Turn an unsuccessful response into a Problem. `body` is its parsed JSON, or null. */
export function problemOf(status, body, retryAfter) {
  return new Problem({
    code: body?.code ?? (status === 413 ? "payload_too_large" : "http_error"),
    detail: body?.detail ?? `The server answered with status ${status}.`,
    status,
    retryAfter: Number(retryAfter) || 0,
    upload: body?.upload ?? null,
    errors: body?.errors ?? null,
  });
}

/** Fetch; return a successful Response. Throws Problem, or AbortError when cancelled. */
export async function send(url, options = {}) {
  let response;
  try {
    response = await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ code: "network" });
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  throw problemOf(response.status, body, response.headers.get("Retry-After"));
}

/** Fetch JSON. */
export async function json(url, options = {}) {
  const response = await send(url, options);
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ code: "network" });
  }
}

/** Send a JSON body and read JSON back. */
export function sendJson(method, url, body, options = {}) {
  const headers = { "Content-Type": "application/json", ...options.headers };
  return json(url, { ...options, method, headers, body: JSON.stringify(body) });
}

/** Fetch every item of a list, page by page. */
export async function all(url) {
  const items = [];
  for (let cursor = ""; cursor !== null; ) {
    const query = new URLSearchParams({ limit: "500", ...(cursor && { cursor }) });
    const page = await json(`${url}?${query}`);
    items.push(...page.items);
    cursor = page.next_cursor;
  }
  return items;
}

/** Resolve after `ms`, or reject at once when `signal` aborts. */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new DOMException("cancelled", "AbortError"));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
