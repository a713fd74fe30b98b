/* Purpose: follow a resource to its end: by its events, or else by asking again and again. */

import { json, pause } from "./api.js";

const FIRST_MS = 5_000; // a stream that gets through tells the present state at once
const SILENT_MS = 20_000; // a connection may be dead without a sign: then ask
const CUTS = 6; // how often in a row the browser may connect again, each after 2 s, for nothing
const REST_MS = 30_000; // for so long the page asks after a stream has failed
const SLOWEST_MS = 3_000; // between questions that get no answer
const HIDDEN_MS = 500;

// As performance.now() counts: other streams of this server would fail, too. While the server is
// away, it is not known until when.
let askUntil = 0;

/**
 * Return the resource at `url` as it is at its end, which is when `over(it)`.
 *
 * `told(it)` is called when it has changed, `lost()` when the server does not answer. Questions, with
 * `headers`, are `every` ms apart, and `patience` of them in a row may fail. A page that nobody sees
 * holds no stream and asks nothing: a server has few streams, and a browser six connections.
 */
export async function follow(url, { over, told, lost, every, patience, headers }, signal) {
  for (let failures = 0; ; ) {
    await seen(signal);
    if (performance.now() >= askUntil) {
      const last = await listen(url, told, signal);
      if (last) return last;
      await seen(signal);
    }
    const asked = performance.now();
    try {
      const now = await json(url, { signal, headers });
      signal.throwIfAborted();
      if (over(now)) return now;
      if (askUntil === Infinity) askUntil = 0;
      failures = 0;
      told(now);
    } catch (problem) {
      failures += 1;
      const passes = problem.code === "network" || problem.status >= 500;
      if (!passes || failures >= patience) throw problem;
      lost();
    }
    const due = asked + Math.min(every * 2 ** failures, SLOWEST_MS);
    await pause(Math.max(0, due - performance.now()), signal);
  }
}

async function seen(signal) {
  while (document.hidden) await pause(HIDDEN_MS, signal);
}

/** Tell what the events say; return the resource at its end, or null if the stream ends before. */
function listen(url, told, signal) {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const source = new EventSource(`${url}/events`);
    const closed = new AbortController();
    let open = false;
    let cuts = 0;
    let timer = setTimeout(() => fail(REST_MS), FIRST_MS);

    function close() {
      source.close();
      clearTimeout(timer);
      closed.abort();
    }
    function end(last) {
      close();
      resolve(last);
    }
    function fail(rest) {
      askUntil = performance.now() + rest;
      end(null);
    }
    function read(event) {
      cuts = 0;
      clearTimeout(timer);
      timer = setTimeout(end, SILENT_MS, null);
      return JSON.parse(event.data);
    }

    for (const name of ["status", "progress"]) {
      source.addEventListener(name, (event) => told(read(event)));
    }
    source.addEventListener("done", (event) => end(read(event)));
    source.addEventListener("open", () => {
      open = true;
    });
    source.addEventListener("error", () => {
      cuts += 1;
      if (source.readyState === EventSource.CLOSED) fail(REST_MS);
      else if (cuts >= CUTS) fail(open ? REST_MS : Infinity);
      open = false;
    });
    const once = { signal: closed.signal };
    document.addEventListener("visibilitychange", () => end(null), once);
    const stop = () => {
      close();
      reject(signal.reason);
    };
    signal.addEventListener("abort", stop, once);
  });
}
