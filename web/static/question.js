/* Purpose: ask before something is lost, and do it if the answer is yes. */

import { closable } from "./catalog-dialogs.js";
import { byId } from "./dom.js";
import { show as showProblem } from "./problems.js";

export class Question {
  constructor() {
    this.dialog = closable(byId("question-dialog"));
    this.error = byId("question-error");
    this.yes = byId("question-yes");
    byId("question-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.agree();
    });
  }

  /**
   * Show a question; `done()` does what was asked for, and what it throws is shown. It returns what
   * has the focus afterwards: the button that asked may be gone.
   */
  ask({ title, text, yes, done }) {
    byId("question-title").textContent = title;
    byId("question-text").textContent = text;
    this.yes.textContent = yes;
    this.error.replaceChildren();
    this.done = done;
    this.dialog.showModal();
  }

  async agree() {
    this.yes.disabled = true;
    try {
      const next = await this.done();
      this.dialog.close();
      next.focus();
    } catch (problem) {
      showProblem(this.error, problem);
    } finally {
      this.yes.disabled = false;
    }
  }
}
