"""Names of pictures that a program has wrapped: in quotes, in a list of JSON, in a formula."""

from __future__ import annotations

import json
import re

_CLOSING = {
    '"': '"',
    "'": "'",
    "\u2018": "\u2019\u2018",
    "\u2019": "\u2019",
    "\u201a": "\u2018\u2019",
    "\u201c": "\u201d\u201c",
    "\u201d": "\u201d",
    "\u201e": "\u201c\u201d",
    "\u00ab": "\u00bb",
    "\u00bb": "\u00ab",
}
"""The quotes that close each one, in several languages; one alone is a part of a name of a file."""

_QUOTES = "".join(_CLOSING)
WRAPPED = ("[", "=", "//", *_QUOTES)
"""What such a cell begins with; others need no second look."""

_FORMULA = re.compile(r'=\s*[\w.]+\(\s*"((?:https?:)?//[^"]+)"', re.IGNORECASE)
"""``=IMAGE("https://…")`` and ``=HYPERLINK("https://…"; "text")``, whatever the language."""

_PART = r"""(?:"[^"]*"|'[^']*')"""
# Python prints its lists with single quotes.
_QUOTED = re.compile(rf"\[?\s*{_PART}(?:[\s,;|]+{_PART})*\s*\]?")
_URL = re.compile(rf"[{_QUOTES}\s]*(?:https?:)?//", re.IGNORECASE)
_NO_SCHEME = re.compile(r"//[\w-]+(?:\.[\w-]+)+(?::[0-9]+)?/")


def unwrapped(text: str) -> list[str]:
    """Return the names that stand in a cell without what is wrapped around them."""
    if not text.startswith(WRAPPED):
        return [text]
    formula = _FORMULA.match(text)
    if formula is not None:
        return [formula[1]]
    listed = _listed(text)
    if listed is not None:
        return listed
    if _QUOTED.fullmatch(text):
        return [part[1:-1].strip() for part in re.findall(_PART, text)]
    if _URL.match(text):
        return [text.strip(_QUOTES).strip()]
    is_quoted = len(text) > 1 and text[-1] in _CLOSING.get(text[0], "")
    return [text[1:-1].strip() if is_quoted else text]


def whole(name: str) -> str:
    """Return a name with its scheme: browsers, too, take ``//cdn.example/1.jpg`` for https."""
    return f"https:{name}" if _NO_SCHEME.match(name) else name


def _listed(text: str) -> list[str] | None:
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):  # "[1] front.jpg [small]" is a name
        return None
    return found if all(isinstance(each, str) for each in found) else None
