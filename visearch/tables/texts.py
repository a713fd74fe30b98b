"""Long texts of products: markup removed, and what is no attribute kept as text to search in."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Iterable

from visearch.records import Attributes
from visearch.rules import LONGEST_DESCRIPTION, MAX_BYTES, MAX_COUNT, is_storable

LONGEST_VALUE = 2000
"""Characters of a text attribute; a longer one is something to search in, not to filter by."""

_BLOCK = re.compile(r"<(?:br|/p|/div|/li|/tr|/h[1-6])\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z!][^<>]*>", re.IGNORECASE)
_HIDDEN = re.compile(r"<(script|style)\b[^<>]*>[^<]*</\1[^<>]*>", re.IGNORECASE)
_BLANKS = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\s*\n\s*")


def plain_text(markup: str) -> str:
    """Return a description without its HTML; a text that has none is returned as it is."""
    if "<" not in markup and "&" not in markup:
        return markup.strip()
    text = _BLOCK.sub("\n", _HIDDEN.sub(" ", markup))
    text = html.unescape(_TAG.sub(" ", text))
    return _LINES.sub("\n", _BLANKS.sub(" ", text)).strip()


def are_modest(attributes: Attributes) -> bool:
    """Tell at little cost that a product can have these attributes as they are; most can."""
    texts = list(attributes)
    for value in attributes.values():
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, list):
            texts += value
        elif not math.isfinite(value):
            return False
    if len(attributes) > MAX_COUNT:
        return False
    letters = "".join(texts)
    # JSON takes at most six bytes for a character, and 24 for a number.
    most = 6 * len(letters) + 8 * len(texts) + 24 * len(attributes)
    return most < MAX_BYTES and len(letters) < LONGEST_VALUE and is_storable(letters)


def fit(attributes: Attributes, description: str | None) -> tuple[Attributes, str | None]:
    """Return attributes that a product can have, and a description that holds the rest.

    Texts that are too long, the longest ones of attributes that are too large together, and those
    after the first ``MAX_COUNT`` go into the description: a product is not refused for what it has
    to say.
    """
    moved = [name for name, value in attributes.items() if _is_long(value)]
    kept = [name for name in attributes if name not in moved]
    moved += kept[MAX_COUNT:]
    kept = kept[:MAX_COUNT]
    sizes = {name: _size({name: attributes[name]}) for name in kept}
    while kept and sum(sizes.values()) > MAX_BYTES:
        largest = max(kept, key=lambda name: sizes[name])
        kept.remove(largest)
        del sizes[largest]
        moved.append(largest)
    if not moved:
        return attributes, cut(description)
    rest = [f"{name}: {_words(attributes[name])}" for name in attributes if name in moved]
    texts = [description] if description else []
    return {name: attributes[name] for name in kept}, cut("\n".join(texts + rest))


def cut(text: str | None) -> str | None:
    """Return as much of a description as is stored, with a sign that it goes on; None if empty."""
    if not text:
        return None
    return text if len(text) <= LONGEST_DESCRIPTION else f"{text[: LONGEST_DESCRIPTION - 1]}…"


def first_text(texts: Iterable[str | None]) -> str | None:
    """Return the first text that says something."""
    return next((text for text in texts if text), None)


def _is_long(value: object) -> bool:
    return isinstance(value, str) and len(value) > LONGEST_VALUE


def _size(attributes: Attributes) -> int:
    return len(json.dumps(attributes, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _words(value: str | float | bool | list[str]) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
