"""What a product may be, whichever way it comes in: its id, its texts, its attributes.

The HTTP API, the manifests of archives and the embedded catalog all ask here. A problem is a
clause that can follow "Manifest line 3: " or begin a sentence.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from visearch.records import Attributes

LONGEST_ID = 512
LONGEST_TITLE = 2000
LONGEST_URL = 4000
LONGEST_DESCRIPTION = 64 * 1024
"""In characters."""

MAX_COUNT = 64
"""Attributes of one product."""

MAX_BYTES = 16 * 1024
"""Size of a product's attributes as JSON: every hit of every answer carries them."""

# U+FFFD stands where a name was not text: two such names could be taken for one product.
ID_PATTERN = r"^[^\x00-\x1f\x7f-\x9f\ufffd]*$"
# PostgreSQL stores no NUL.
TEXT_PATTERN = r"^[^\x00]*$"
MAX_FILTER_FIELDS = 16
MAX_FILTER_BYTES = 16 * 1024
MAX_FACETS = 16
LONGEST_FACET = 256
"""Of a search, which travels as JSON; the name of a facet is counted in characters."""

_NOT_IN_ID = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?")


def number_of(text: str) -> int | float | None:
    """Return the number that ``text`` spells as JSON would; None if it spells none.

    Leading zeros, a plus sign and more than 15 digits are the marks of a code, not of a
    quantity: such texts stay texts.
    """
    if not _NUMBER.fullmatch(text):
        return None
    return float(text) if "." in text else int(text)


def is_storable(text: str) -> bool:
    """Tell whether both databases can store a text: it has no NUL and no half surrogate pair."""
    return not _UNSTORABLE.search(text)


def id_problem(product_id: str) -> str | None:
    """Say why this cannot be a product's id; None if it can."""
    if 1 <= len(product_id) <= LONGEST_ID and not _NOT_IN_ID.search(product_id):
        return None
    return f"a product id has 1 to {LONGEST_ID} printable characters"


def text_problem(title: str | None, url: str | None) -> str | None:
    """Say why a product cannot have this title or URL; None if it can."""
    for name, text, longest in (("title", title, LONGEST_TITLE), ("URL", url, LONGEST_URL)):
        if text is None:
            continue
        if len(text) > longest:
            return f"the {name} has {len(text)} characters, more than the limit of {longest}"
        if not is_storable(text):
            return f"the {name} holds a NUL or half of a surrogate pair"
    return None


def attributes_problem(attributes: Attributes) -> str | None:
    """Say why a product cannot have these attributes; None if it can."""
    if len(attributes) > MAX_COUNT:
        return f"a product has at most {MAX_COUNT} attributes, not {len(attributes)}"
    for name, value in attributes.items():
        if not isinstance(name, str) or not is_storable(name) or not _is_value(value):
            return (
                f"attribute {ascii(name)[:80]} is not a text, a finite number, a boolean or a "
                "list of texts"
            )
    size = len(json.dumps(attributes, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        return f"the attributes have {size} bytes as JSON, more than the limit of {MAX_BYTES}"
    return None


def _is_value(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(each, str) and is_storable(each) for each in value)
    if isinstance(value, str):
        return is_storable(value)
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # an integer that no float can hold
        return False


def product_problem(
    product_id: str, title: str | None, url: str | None, attributes: Attributes
) -> tuple[str, str] | None:
    """Return the JSON pointer and the sentence of what is wrong with a product; None if nothing."""
    text = "/url" if text_problem(title, None) is None else "/title"
    for pointer, problem in (
        ("/id", id_problem(product_id)),
        (text, text_problem(title, url)),
        ("/attributes", attributes_problem(attributes)),
    ):
        if problem:
            return pointer, f"{problem[0].upper()}{problem[1:]}."
    return None
