/* Purpose: explain what went wrong and what the user can do about it. */

import { el } from "./dom.js";

const SHOW_DETAIL = null;

/* code → [title, what to do (or the server's own message), whether trying again may help] */
const WORDS = {
  network: [
    "The server cannot be reached",
    "Check your connection and try again. If you run the server yourself, check that it is running.",
    true,
  ],
  unsupported_image: ["This file is not a picture we can read", SHOW_DETAIL, false],
  image_too_large: ["The picture is too large", SHOW_DETAIL, false],
  image_corrupt: [
    "The picture is damaged",
    "Open it in an image editor and save it again, or choose another picture.",
    false,
  ],
  payload_too_large: ["The file is too large", "Choose a smaller file.", false],
  archive_too_large: ["The file is too large", SHOW_DETAIL, false],
  unsupported_archive: ["This file is not one we can read", SHOW_DETAIL, false],
  archive_corrupt: ["The archive is damaged", SHOW_DETAIL, false],
  table_unreadable: ["The table cannot be read", SHOW_DETAIL, false],
  mapping_incomplete: ["A column must be named first", SHOW_DETAIL, false],
  replace_guarded: ["The import was stopped: it would remove too much", SHOW_DETAIL, false],
  replace_incomplete: ["No product will be removed", SHOW_DETAIL, false],
  too_slow: ["That takes too long", SHOW_DETAIL, true],
  search_expired: [
    "The search took too long",
    "No worker answered in time. Wait a moment and try again.",
    true,
  ],
  no_catalog: ["There are no catalogs yet", SHOW_DETAIL, false],
  encoder_mismatch: ["This catalog needs attention from its owner", SHOW_DETAIL, false],
  cancelled: ["The search was cancelled", "You can start it again at any time.", true],
  overloaded: ["The server is busy", "Too many searches are waiting. Try again shortly.", true],
  rate_limited: ["Too many requests", "Wait a moment and try again.", true],
  dependency_unavailable: [
    "Part of the server is down",
    "Try again in a moment. If it keeps happening, tell the operator.",
    true,
  ],
  invalid_request: ["Something has to be corrected", SHOW_DETAIL, false],
  not_found: ["Not found", SHOW_DETAIL, false],
  gone: [
    "This result is no longer available",
    "Results are kept for about an hour. Search again with your picture.",
    false,
  ],
  not_a_file: [
    "That was not a file",
    "Save the picture to your device first, then drop or choose the file.",
    false,
  ],
};

/** What to show for a Problem: {title, text, again}. */
export function explain(problem) {
  const [title, advice, again] = WORDS[problem.code] ?? [
    problem.status >= 500 ? "Something went wrong on the server" : "That did not work",
    SHOW_DETAIL,
    problem.status >= 500,
  ];
  const wait = problem.retryAfter > 1 ? ` Wait ${problem.retryAfter} seconds first.` : "";
  return { title, text: (advice ?? said(problem)) + (again ? wait : ""), again };
}

/** What the server says, without the places in the request that a program would look for. */
function said({ detail, errors }) {
  if (!errors?.length) return sentence(detail);
  return errors.map((error) => inField(error)).join(" ");
}

function inField({ pointer, detail }) {
  const [, ...parts] = pointer.split("/");
  const last = parts.length > 1 ? parts.at(-1).replaceAll("~1", "/").replaceAll("~0", "~") : "";
  const inside = /^\d+$/.test(last) ? "" : last;  // a place in a list means nothing to a user
  return inside ? `“${inside}”: ${sentence(detail)}` : sentence(detail);
}

/** The server's detail as a full sentence. */
function sentence(text) {
  const trimmed = (text ?? "").trim() || "No reason was given.";
  const start = trimmed[0].toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}

/** Show a Problem in `box` (an alert region); `retry` adds a button when it may help. */
export function show(box, problem, retry) {
  const { title, text, again } = explain(problem);
  const notice = el(
    "div",
    { className: "notice", data: { kind: "error", code: problem.code ?? "" } },
    el("p", { className: "notice-title" }, title),
    el("p", {}, text),
  );
  if (again && retry) {
    const button = el("button", { type: "button" }, "Try again");
    button.addEventListener("click", retry);
    notice.append(button);
  }
  box.replaceChildren(notice);
  if (box.closest("dialog")) notice.scrollIntoView({ block: "nearest" });
}
