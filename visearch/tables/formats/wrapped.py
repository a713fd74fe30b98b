"""Names of pictures that a program has wrapped: in quotes, in a list of JSON, in a formula."""

from __future__ import annotations

import json
import re

_QUOTES = "\"'\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"
WRAPPED = ("[", "=", "//", *_QUOTES)
"""What such a cell begins with; others need no second look."""

_FORMULA = re.compile(r'=\s*[\w.]+\(\s*"((?:https?:)?//[^"]+)"', re.IGNORECASE)
"""``=IMAGE("https://…")`` and ``=HYPERLINK("https://…"; "text")``, whatever the language."""

_PART = r"""(?:"[^"]*"|'[^']*')"""
# Python prints its lists with single quotes.
_QUOTED = re.compile(rf"\[?\s*{_PART}(?:[\s,;|]+{_PART})*\s*\]?")
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
    return [text.strip(_QUOTES).strip()]


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
