/* Purpose: every way to get a picture into the page: file, camera, drop, paste. */

import { Problem } from "./api.js";

/** Call `take(file)` for each picture, or `refuse(problem)` for anything that is not a file. */
export function pictureSources({ inputs, veil, take, refuse }) {
  for (const input of inputs) {
    input.addEventListener("change", () => {
      const [file] = input.files;
      if (file) take(file);
      input.value = ""; // so that the same file can be chosen again
    });
  }
  dropAnywhere(veil, take, refuse);
  document.addEventListener("paste", (event) => {
    const file = firstPicture(event.clipboardData?.files);
    if (!file) return;
    event.preventDefault();
    take(file);
  });
}

function firstPicture(files) {
  const list = [...(files ?? [])];
  return list.find((file) => file.type.startsWith("image/")) ?? list[0];
}

/** Accept a file dropped anywhere on the page; `veil` shows while one is dragged over it. */
export function dropAnywhere(veil, take, refuse) {
  let depth = 0; // dragenter and dragleave also come from every child
  const hover = (change) => {
    depth = change === 0 ? 0 : Math.max(0, depth + change);
    veil.hidden = depth === 0;
  };
  document.addEventListener("dragenter", (event) => carries(event) && hover(1));
  document.addEventListener("dragleave", (event) => carries(event) && hover(-1));
  document.addEventListener("dragover", (event) => carries(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    hover(0);
    if (!carries(event)) return;
    event.preventDefault();
    const file = firstPicture(event.dataTransfer.files);
    if (file) take(file);
    else refuse(new Problem({ code: "not_a_file" }));
  });
}

/** Files, or a picture dragged from another page (which may arrive as a URL only). */
function carries(event) {
  const types = [...(event.dataTransfer?.types ?? [])];
  return types.includes("Files") || types.includes("text/uri-list");
}
