/* Purpose: choose a file and upload it, showing the progress; its preview comes before its import. */

import { Problem, problemOf } from "./api.js";
import { catalogUrl } from "./catalog-dialogs.js";
import { byId, bytes, el } from "./dom.js";
import { dropAnywhere } from "./picture-sources.js";
import { show as showProblem } from "./problems.js";
import { UploadPreview } from "./upload-preview.js";

const TYPES = {
  zip: "application/zip",
  tar: "application/x-tar",
  csv: "text/csv",
  tsv: "text/tab-separated-values",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  json: "application/json",
  ndjson: "application/x-ndjson",
  xml: "application/xml",
};

export class ArchiveUpload {
  /** `catalog()` names the catalog; `accepted(import)` runs when its import has begun. */
  constructor({ limit, catalog, accepted }) {
    Object.assign(this, { limit, catalog, file: null, request: null });
    this.preview = new UploadPreview({
      started: (record) => {
        this.reset();
        accepted(record);
      },
      discarded: () => {
        this.reset();
        byId("archive").focus();
      },
    });
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
      radio.addEventListener("change", () => {
        this.draw();
        if (this.preview.shown) this.preview.recheck(this.mode);
      });
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
    this.preview.hide();
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
    this.preview.hide();
    this.form.reset();
    this.error.replaceChildren();
    this.draw();
  }

  draw() {
    const replace = this.mode === "replace";
    const words = this.file
      ? [el("strong", {}, this.file.name), ` ${bytes(this.file.size)}`]
      : [el("strong", {}, "Drop a .zip, a .tar or a table anywhere")];
    byId("chosen").replaceChildren(...words);
    byId("archive-label").textContent = this.file ? "Choose another" : "Choose a file";
    byId("replace-warning").hidden = !replace;
    this.start.disabled = !this.file || this.request !== null || this.preview.shown;
    this.halt.hidden = byId("sending").hidden = this.request === null;
  }

  send() {
    const ending = this.file.name.toLowerCase().split(".").at(-1);
    const request = new XMLHttpRequest(); // fetch cannot report how much of a body was sent
    this.target = this.catalog();
    this.sentMode = this.mode;
    request.open("POST", `${catalogUrl(this.target)}/imports?dry_run=true&mode=${this.mode}`);
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
        : "Uploaded. The server is looking through the file…";
  }

  ended(request) {
    const { status, response } = request;
    if (status < 200 || status > 299 || !response) {
      return this.failed(problemOf(status, response, request.getResponseHeader("Retry-After")));
    }
    this.request = null;
    if (this.catalog() !== this.target) return this.reset(); // the user has opened another catalog
    const about = { catalog: this.target, mode: this.sentMode, name: this.file.name };
    this.preview.show(response, about);
    this.draw();
    return this.mode === this.sentMode ? undefined : this.preview.recheck(this.mode);
  }

  failed(problem) {
    this.request = null;
    this.draw();
    if (!problem) return;
    showProblem(this.error, problem, () => this.file && this.send());
    if (problem.code === "too_slow" && problem.upload) this.offerBlindly(problem.upload);
  }

  /** A file that takes too long to look through can be imported all the same. */
  offerBlindly(upload) {
    const about = { catalog: this.target, mode: this.sentMode };
    const button = el("button", { type: "button" }, "Import it without a preview");
    button.addEventListener("click", () => this.preview.startBlindly(upload, about));
    this.error.firstElementChild.append(button);
  }
}
