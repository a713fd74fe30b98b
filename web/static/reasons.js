/* Purpose: say in words why a picture failed, for every code that a ledger can hold. */

import { el } from "./dom.js";

/* code → what happened; the server's own sentence, which says what to do, is shown below it. */
const WORDS = {
  /* The file, or a row of its table. */
  picture_missing: "The file does not hold this picture",
  name_not_found: "The picture has another name",
  invalid_manifest_row: "The row cannot be used",
  invalid_product_id: "The product's ID cannot be used",
  id_ambiguous: "Several products have this ID",
  member_encrypted: "The picture is encrypted",
  member_compression: "The picture is compressed in a way that cannot be read",
  member_not_a_file: "This is not a file",
  member_corrupt: "The picture is damaged inside the archive",
  member_unreadable: "The picture cannot be read from the archive",
  /* A picture at a URL. */
  picture_not_a_url: "The table names no URL of this picture",
  url_error: "The picture could not be fetched",
  url_not_found: "There is nothing at this URL",
  url_refused_address: "This URL leads to where pictures are not fetched from",
  url_timeout: "The picture's server took too long",
  url_too_large: "The picture at this URL is too large",
  url_not_a_picture: "What is at this URL is not a picture",
  url_rate_limited: "The picture's server wants to be asked less often",
  url_unreachable: "The picture's server cannot be reached",
  /* The picture itself. */
  unsupported_image: "This is not a picture we can read",
  image_too_large: "The picture is too large",
  image_corrupt: "The picture is damaged",
  no_embedding: "Nothing was found in this picture",
  /* The work. */
  decode_timeout: "The picture took too long to open",
  decode_crashed: "The picture could not be opened",
  out_of_memory: "The picture takes too much memory",
  worker_lost: "The server stopped while it worked on this",
  internal_error: "Something went wrong on the server",
  blob_damaged: "What was stored of it is damaged",
  not_found: "What was stored of it is gone",
  dependency_unavailable: "Part of the server was down",
  dependency_broken: "Part of the server is out of order",
  encoder_mismatch: "The catalog's encoder does not fit",
  unknown_encoder: "The catalog's encoder is missing",
  /* What happened to the import. */
  superseded: "A later change to this product came first",
  cancelled: "The import was cancelled",
  plan_failed: "The file could not be read to its end",
  waited_too_long: "Part of the server was down for too long",
  archive_corrupt: "The file is damaged",
  archive_too_large: "The file is too large",
  unsupported_archive: "The file is not one we can read",
  table_unreadable: "The table cannot be read",
  mapping_incomplete: "The table's columns are not understood",
  invalid_request: "What was said of the table's columns does not fit it",
  replace_guarded: "The import was stopped: it would have removed too much",
};

/** What a failure means in words, what the server says of it, and its code: to be shown together. */
export function why({ code, detail }) {
  const words = WORDS[code] ?? "It did not work";
  return [el("strong", {}, words), el("p", {}, detail ?? ""), el("code", {}, code)];
}
