/* Purpose: what the columns of a table were taken for, as selects that their owner corrects. */

import { byId, count, el } from "./dom.js";

/* field → what a merchant calls it */
const FIELDS = {
  id: "Product ID",
  title: "Title",
  picture: "Pictures",
  url: "Product page (URL)",
  price: "Price",
  group: "Variant of (group)",
  position: "Position of the picture",
  description: "Description",
  attribute: "Attribute",
  ignore: "Leave out",
};
const TYPES = {
  text: "Text",
  number: "Number",
  boolean: "Yes or no",
  price: "Price",
  date: "Date",
  list: "List",
};
const TYPED = ["attribute", "price"];
const MOST = 200;

export class MappingTable {
  /** `edited()` runs when the user changes a column. */
  constructor(edited) {
    this.edited = edited;
    this.rows = byId("mapping-rows");
    this.forget();
  }

  /** Forget what the user said: there is another file. */
  forget() {
    this.choices = {};
    this.changed = false;
  }

  /** The server has seen the choices. */
  settle() {
    this.changed = false;
  }

  draw(columns) {
    this.rows.replaceChildren(...columns.slice(0, MOST).map((column) => this.row(column)));
    const rest = byId("mapping-rest");
    rest.hidden = columns.length <= MOST;
    rest.textContent = `${count(columns.length - MOST, "more column")} not shown.`;
  }

  row({ column, field, type, example }) {
    const kinds = select(Object.entries(FIELDS), field, `What the column “${column}” is`);
    const types = select(Object.entries(TYPES), type, `Type of the column “${column}”`);
    types.hidden = !TYPED.includes(field);
    kinds.addEventListener("change", () => {
      types.hidden = !TYPED.includes(kinds.value);
      const typed = types.hidden ? {} : { type: this.choices[column]?.type };
      this.choose(column, { field: kinds.value, ...typed });
    });
    types.addEventListener("change", () => {
      this.choose(column, { ...this.choices[column], type: types.value });
    });
    const cell = (label, ...content) => el("td", { data: { label } }, ...content);
    return el(
      "tr",
      { data: { column } },
      el("th", { scope: "row" }, column),
      cell("Taken for", kinds),
      cell("Type", types),
      cell("Example", example ?? "–"),
    );
  }

  choose(column, choice) {
    this.choices[column] = choice;
    this.changed = true;
    this.edited();
  }
}

function select(options, chosen, label) {
  const made = el("select", { aria: { label } });
  made.append(...options.map(([value, text]) => new Option(text, value, value === chosen, value === chosen)));
  return made;
}
