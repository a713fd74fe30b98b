/* Purpose: choose an archive and upload it, showing the progress. */

import { Problem, problemOf } from "./api.js";
import { catalogUrl } from "./catalog-dialogs.js";
import { byId, bytes, el } from "./dom.js";
import { dropAnywhere } from "./picture-sources.js";
import { show as showProblem } from "./problems.js";

const TYPES = { zip: "application/zip", tar: "application/x-tar" };

export class ArchiveUpload {
  /** `catalog()` names the catalog; `accepted(import)` runs when the server has the file. */
  constructor({ limit, catalog, accepted }) {
    Object.assign(this, { limit, catalog, accepted, file: null, request: null });
    this.form = byId("upload");
    this.error = byId("upload-error");
    this.start = byId("upload-start");
    this.halt = byId("upload-stop");
    this.input = byId("archive");
    this.input.addEventListener("change", () => {
      if (this.input.files[0]) this.choose(this.input.files[0]);
      this.input.value = "";
    });
    const drop = (file) => this.catalog() && !this.request && this.choose(file);
    dropAnywhere(byId("veil"), drop, (problem) => showProblem(this.error, problem));
    for (const radio of this.form.elements.mode) {
      radio.addEventListener("change", () => this.draw());
    }
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.file && !this.request) this.send();
    });
    this.halt.addEventListener("click", () => this.request?.abort());
    addEventListener("beforeunload", (event) => this.request && event.preventDefault());
  }

  get mode() {
    return this.form.elements.mode.value;
  }

  choose(file) {
    this.error.replaceChildren();
    this.file = file;
    if (file.size > this.limit) {
      const detail =
        `“${file.name}” is ${bytes(file.size)}; the limit is ${bytes(this.limit)}. ` +
        "Split it into several archives.";
      showProblem(this.error, new Problem({ code: "archive_too_large", detail }));
      this.file = null;
    }
    this.draw();
    if (this.file) this.start.focus({ focusVisible: false });
  }

  /** Forget the file; an upload under way goes on to its own catalog. */
  reset() {
    if (this.request) return;
    this.file = null;
    this.form.reset();
    this.error.replaceChildren();
    this.draw();
  }

  draw() {
    const replace = this.mode === "replace";
    const words = this.file
      ? [el("strong", {}, this.file.name), ` ${bytes(this.file.size)}`]
      : [el("strong", {}, "Drop a .zip or .tar file anywhere")];
    byId("chosen").replaceChildren(...words);
    byId("archive-label").textContent = this.file ? "Choose another" : "Choose a file";
    byId("replace-warning").hidden = !replace;
    this.start.textContent = replace ? "Upload and replace all" : "Upload";
    this.start.disabled = !this.file || this.request !== null;
    this.halt.hidden = byId("sending").hidden = this.request === null;
  }

  send() {
    const ending = this.file.name.toLowerCase().split(".").at(-1);
    const request = new XMLHttpRequest(); // fetch cannot report how much of a body was sent
    this.target = this.catalog();
    request.open("POST", `${catalogUrl(this.target)}/imports?mode=${this.mode}`);
    request.setRequestHeader("Content-Type", TYPES[ending] ?? "application/octet-stream");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => this.progress(event));
    request.addEventListener("load", () => this.ended(request));
    request.addEventListener("error", () => this.failed(new Problem({ code: "network" })));
    request.addEventListener("abort", () => this.failed(null));
    this.request = request;
    this.error.replaceChildren();
    this.progress({ loaded: 0, total: this.file.size });
    this.draw();
    request.send(this.file);
  }

  progress({ loaded, total }) {
    const share = total ? loaded / total : 1;
    byId("sent").value = share;
    byId("sent-text").textContent =
      share < 1
        ? `Uploading to “${this.target}”: ${bytes(loaded)} of ${bytes(total)} (${Math.floor(share * 100)}%)`
        : "Uploaded. The server is checking the file…";
  }

  ended(request) {
    const { status, response } = request;
    if (status < 200 || status > 299 || !response) {
      return this.failed(problemOf(status, response, request.getResponseHeader("Retry-After")));
    }
    this.request = null;
    this.reset();
    return this.accepted(response);
  }

  failed(problem) {
    this.request = null;
    this.draw();
    if (problem) showProblem(this.error, problem, () => this.file && this.send());
  }
}
