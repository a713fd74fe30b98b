/* Purpose: the dialog that edits a product; it sends only what the user has changed. */

import { Problem, sendJson } from "./api.js";
import { closable, productUrl } from "./catalog-dialogs.js";
import { byId, el } from "./dom.js";
import { show as showProblem } from "./problems.js";

const TEXTS = ["title", "url", "description"];
const TYPES = { text: "Text", number: "Number", boolean: "Yes or no", list: "List" };

export class ProductEditor {
  /** `saved(id)` runs when a change was saved. */
  constructor(saved) {
    this.saved = saved;
    this.dialog = closable(byId("product-dialog"));
    this.error = byId("product-error");
    this.list = byId("edit-attributes");
    byId("edit-add").addEventListener("click", () => {
      this.list.append(entry("", ""));
      this.list.lastChild.querySelector("input").focus();
    });
    byId("product-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.save(event.submitter);
    });
  }

  open(catalog, product) {
    Object.assign(this, { catalog, product });
    byId("product-title").textContent = `Edit ${product.title || product.id}`;
    for (const name of TEXTS) byId(`edit-${name}`).value = product[name] ?? "";
    const entries = Object.entries(product.attributes);
    this.list.replaceChildren(...entries.map(([name, value]) => entry(name, value)));
    this.error.replaceChildren();
    this.dialog.showModal();
  }

  async save(button) {
    button.disabled = true;
    try {
      const { catalog, product } = this;
      const changes = this.changes();
      if (Object.keys(changes).length) {
        await sendJson("PATCH", productUrl(catalog, product.id), changes, {
          headers: { "Content-Type": "application/merge-patch+json" },
        });
      }
      this.dialog.close();
      await this.saved(product.id);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      showProblem(this.error, problem);
    } finally {
      button.disabled = false;
    }
  }

  /** What the user has changed, as a merge patch: a removed field or attribute is null. */
  changes() {
    const patch = {};
    for (const name of TEXTS) {
      const value = byId(`edit-${name}`).value;
      // A text area gives lines that end otherwise than they were typed.
      const before = (this.product[name] ?? "").replace(/\r\n?/g, "\n");
      if (value !== before) patch[name] = value || null;
    }
    const before = this.product.attributes;
    const now = read(this.list);
    const attributes = {};
    for (const name of Object.keys(before)) if (!(name in now)) attributes[name] = null;
    for (const [name, value] of Object.entries(now)) {
      const same = Object.hasOwn(before, name) && alike(before[name], value);
      if (!same) attributes[name] = value;
    }
    if (Object.keys(attributes).length) patch.attributes = attributes;
    return patch;
  }
}

function alike(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

function typeOf(value) {
  return Array.isArray(value) ? "list" : typeof value === "string" ? "text" : typeof value;
}

/** The line of one attribute: its name, its type, its value. */
function entry(name, value) {
  const named = el("input", { value: name, autocomplete: "off" });
  named.setAttribute("aria-label", "Name of the attribute");
  const type = el("select", {}, ...Object.entries(TYPES).map(([key, label]) => option(key, label)));
  type.setAttribute("aria-label", "Kind of value");
  type.value = typeOf(value);
  const line = el("li", {}, named, type);
  let field = null;
  const draw = (content) => {
    field?.remove();
    field = input(type.value, content);
    field.setAttribute("aria-label", "Value");
    type.after(field);
  };
  type.addEventListener("change", () => draw(field.value));
  draw(Array.isArray(value) ? value.join("\n") : String(value));
  const remove = el("button", { type: "button", className: "quiet" }, "Remove");
  const label = () => remove.setAttribute("aria-label", `Remove ${named.value || "this attribute"}`);
  named.addEventListener("input", label);
  label();
  remove.addEventListener("click", () => {
    const next = line.nextElementSibling ?? line.previousElementSibling;
    line.remove();
    (next?.querySelector("input") ?? byId("edit-add")).focus();
  });
  line.append(remove);
  return line;
}

function option(value, label) {
  return el("option", { value }, label);
}

function input(type, content) {
  if (type === "boolean") {
    const select = el("select", {}, option("true", "Yes"), option("false", "No"));
    select.value = content === "false" ? "false" : "true";
    return select;
  }
  if (type === "list") {
    return el("textarea", { rows: 2, value: content, placeholder: "One on each line" });
  }
  return el("input", { value: content, autocomplete: "off", inputMode: type === "number" ? "decimal" : "text" });
}

/** Read the attributes as they stand in the dialog. */
function read(list) {
  const found = {};
  for (const line of list.children) {
    const [named, type, field] = line.children;
    const name = named.value.trim();
    if (!name) throw new Problem({ code: "invalid_request", detail: "Give each attribute a name." });
    if (Object.hasOwn(found, name)) {
      const detail = `Two attributes are called “${name}”. Rename or remove one.`;
      throw new Problem({ code: "invalid_request", detail });
    }
    found[name] = valueOf(type.value, field.value, name);
  }
  return found;
}

function valueOf(type, text, name) {
  if (type === "boolean") return text === "true";
  if (type === "list") return text.split("\n").map((line) => line.trim()).filter(Boolean);
  if (type === "text") return text;
  const value = Number(text.trim());
  if (!text.trim() || !Number.isFinite(value)) {
    const detail = `“${text}” is not a number, which “${name}” is. Write it as 12.5, or choose Text.`;
    throw new Problem({ code: "invalid_request", detail });
  }
  return value;
}
