/* Purpose: sample queries for users without a picture at hand; they belong to the demo catalog. */

import { json, send } from "./api.js";
import { el } from "./dom.js";

export const DEMO = "demo";

/** Fill `list` and show `section` if there are samples; `take(file)` runs on a click. */
export async function showSamples({ section, list }, take, refuse) {
  const samples = await json("/samples");
  list.replaceChildren(...samples.map((sample) => el("li", {}, button(sample, take, refuse))));
  section.hidden = !samples.length;
}

function button(sample, take, refuse) {
  const url = `/samples/${encodeURIComponent(sample.file)}`;
  const picture = el("img", { alt: sample.alt, src: url, width: 320, height: 320 });
  const made = el("button", { type: "button", className: "sample" }, picture);
  made.setAttribute("aria-label", `Search with: ${sample.alt}`);
  made.addEventListener("click", async () => {
    try {
      const data = await (await send(url)).blob();
      take(new File([data], sample.file, { type: data.type }), sample.alt);
    } catch (error) {
      refuse(error);
    }
  });
  return made;
}
