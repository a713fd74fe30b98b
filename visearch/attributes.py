"""What a product's attributes may be, wherever they come from."""

from __future__ import annotations

import json
import re

from visearch.records import Attributes

MAX_COUNT = 64
MAX_BYTES = 16 * 1024
"""Of all attributes as JSON: every hit of every answer carries them."""

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,6})?")


def number_of(text: str) -> int | float | None:
    """Return the number that ``text`` spells as JSON would; None if it is no number.

    Leading zeros, a plus sign and more than 15 digits are the marks of a code, not of a
    quantity: such texts stay texts.
    """
    if not _NUMBER.fullmatch(text):
        return None
    return float(text) if "." in text else int(text)


def problem_of(attributes: Attributes) -> str | None:
    """Say why these attributes cannot be taken; None if they can."""
    if len(attributes) > MAX_COUNT:
        return f"a product has at most {MAX_COUNT} attributes, not {len(attributes)}"
    size = len(json.dumps(attributes, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        return f"the attributes have {size} bytes as JSON, more than the limit of {MAX_BYTES}"
    return None
