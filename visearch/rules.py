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
"""In characters. That of an import is cut, and ends with an ellipsis; over HTTP it is refused."""

MOST_IMAGES = 1000
"""Pictures of one product, of whichever writes."""

MAX_COUNT = 64
"""Attributes of one product."""

MAX_BYTES = 16 * 1024
"""Size of a product's attributes as JSON: every hit of every answer carries them."""

MOST_GOLDEN_QUERIES = 200
"""Golden queries of one catalog: each is a search after every change of the index."""

MOST_GOLDEN_PRODUCTS = 20
"""Products that one golden query ought to find."""

GOLDEN_SIDE = 512
"""Longest side of the picture of a golden query, in pixels: some 50 kB of JPEG."""

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
    if text.isascii():
        return "\x00" not in text
    return not _UNSTORABLE.search(text)


def id_problem(product_id: str) -> str | None:
    """Say why this cannot be a product's id; None if it can."""
    if 1 <= len(product_id) <= LONGEST_ID:
        plain = product_id.isascii() and product_id.isprintable()  # as most are
        if plain or not _NOT_IN_ID.search(product_id):
            return None
    return f"a product id has 1 to {LONGEST_ID} printable characters"


def text_problem(title: str | None, url: str | None, description: str | None = None) -> str | None:
    """Say why a product cannot have one of these texts; None if it can."""
    if (
        description is None
        and (title is None or (len(title) <= LONGEST_TITLE and is_storable(title)))
        and (url is None or (len(url) <= LONGEST_URL and is_storable(url)))
    ):
        return None  # as of most products
    for name, text, longest in (
        ("title", title, LONGEST_TITLE),
        ("URL", url, LONGEST_URL),
        ("description", description, LONGEST_DESCRIPTION),
    ):
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
    product_id: str,
    title: str | None,
    url: str | None,
    attributes: Attributes,
    description: str | None = None,
) -> tuple[str, str] | None:
    """Return the JSON pointer and the sentence of what is wrong with a product; None if nothing."""
    for pointer, problem in (
        ("/id", id_problem(product_id)),
        ("/title", text_problem(title, None)),
        ("/url", text_problem(None, url)),
        ("/description", text_problem(None, None, description)),
        ("/attributes", attributes_problem(attributes)),
    ):
        if problem:
            return pointer, f"{problem[0].upper()}{problem[1:]}."
    return None
