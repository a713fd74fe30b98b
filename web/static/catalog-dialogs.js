/* Purpose: the dialogs that create and delete a catalog. */

import { send, sendJson } from "./api.js";
import { byId, count } from "./dom.js";
import { show as showProblem } from "./problems.js";

/** What the names of catalogs, feeds and golden queries are made of. */
export const NAMES = "Use lowercase letters, digits, - and _, and start with a letter or a digit.";

/** The URL of a catalog. */
export function catalogUrl(name) {
  return `/v1/catalogs/${encodeURIComponent(name)}`;
}

/** The URL of a product; slashes are part of its id. */
export function productUrl(catalog, id) {
  return `${catalogUrl(catalog)}/products/${encodeURIComponent(id)}`;
}

/** Let the buttons marked so close a dialog. */
export function closable(dialog) {
  for (const button of dialog.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => dialog.close());
  }
  return dialog;
}

/** Let the user create a catalog; `created(name)` runs afterwards. */
export function createDialog({ rule, taken, created }) {
  const dialog = closable(byId("create-dialog"));
  const name = byId("create-name");
  const wrong = byId("create-name-error");
  const error = byId("create-error");
  const allowed = new RegExp(`^(?:${rule})$`);

  const complaint = () => {
    if (!name.value) return "Give the catalog a name.";
    if (taken(name.value)) return "A catalog with this name already exists.";
    return allowed.test(name.value) ? "" : `“${name.value}” is not a valid name. See the rule above.`;
  };
  const judge = () => {
    wrong.textContent = complaint();
    name.setAttribute("aria-invalid", String(wrong.textContent !== ""));
    return wrong.textContent === "";
  };
  name.addEventListener("input", () => wrong.textContent && judge());
  byId("create-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!judge()) return name.focus();
    const title = byId("create-label").value.trim();
    const body = { metric: byId("create-metric").value, ...(title && { title }) };
    try {
      await sendJson("PUT", catalogUrl(name.value), body);
    } catch (problem) {
      return showProblem(error, problem);
    }
    dialog.close();
    return created(name.value);
  });
  return () => {
    byId("create-form").reset();
    wrong.textContent = "";
    name.removeAttribute("aria-invalid");
    error.replaceChildren();
    dialog.showModal();
  };
}

/** Let the user delete a catalog; `deleted(name)` runs afterwards. */
export function deleteDialog(deleted) {
  const dialog = closable(byId("delete-dialog"));
  const error = byId("delete-error");
  let doomed = null;
  byId("delete-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await send(catalogUrl(doomed.name), { method: "DELETE" });
    } catch (problem) {
      return showProblem(error, problem);
    }
    dialog.close();
    return deleted(doomed.name);
  });
  return (catalog) => {
    doomed = catalog;
    error.replaceChildren();
    byId("delete-text").textContent =
      `“${catalog.title || catalog.name}” (${catalog.name}) contains ` +
      `${count(catalog.products, "product")} and ${count(catalog.images, "picture")}. ` +
      "It will disappear from every search. This cannot be undone.";
    dialog.showModal();
  };
}
