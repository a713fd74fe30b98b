"""Headings: which of a table's first rows holds them, and what each is called."""

from __future__ import annotations

import re
from collections.abc import Sequence

from visearch.errors import TableUnreadable
from visearch.tables.headings import place
from visearch.tables.limits import MOST_COLUMNS
from visearch.tables.text import without_foul

WIDTH_FROM = 100
"""How many of the first rows tell whether a table has more than one column."""

_SEARCHED, _MOST_SEARCHED, _LONGEST_NAME = 20, 256, 100
"""Rows in which headings are looked for, columns of each, and characters of a heading there."""

_VALUE = re.compile(
    r"[0-9][0-9.,]*|\S+://.*|.*\.(?:jpe?g|png|webp|gif|bmp|tiff?|heic|avif)",
    re.IGNORECASE | re.DOTALL,
)
"""A number, a URL or the name of a file."""

_FEWEST_IN_BULK, _IN_BULK = 5, 8
"""Columns of Google Vision's bulk files, which name none: a line may leave out the last ones."""


def width(row: Sequence[object]) -> int:
    """Return how many columns a row has up to its last value that is not blank."""
    filled = len(row)
    while filled and _is_blank(row[filled - 1]):
        filled -= 1
    return filled


def find_headings(rows: Sequence[Sequence[object]]) -> int | None:
    """Return the place of the row of headings among the first rows; None if all are blank.

    Blank rows, titles (one value above rows of several) and comments above it are passed over.
    Titles of several cells and names of groups of columns are, too, where a row below them names
    an id and pictures, and none of them does. Of two such rows, one for people and one for
    machines, the second holds the headings.
    """
    counts = [sum(not _is_blank(value) for value in row) for row in rows[:WIDTH_FROM]]
    most = max(counts, default=0)
    candidates = []
    for number, (row, count) in enumerate(zip(rows, counts, strict=False)):
        is_title = count == 1 < most
        is_comment = bool(row) and str(row[0]).lstrip().startswith("#") and count < most
        if count and not is_title and not is_comment:
            candidates.append(number)
    sure = [number for number in candidates[:_SEARCHED] if name_products(rows[number])]
    if len(sure) > 1 and sure[1] == sure[0] + 1 and counts[sure[1]] >= counts[sure[0]]:
        return sure[1]
    return next(iter(sure or candidates), None)


def name_products(row: Sequence[object]) -> bool:
    """Tell whether a row can only be headings: it names an id and pictures, and gives no value."""
    texts = [str(value).strip() for value in row[:_MOST_SEARCHED] if not _is_blank(value)]
    if any(_VALUE.fullmatch(text) for text in texts):
        return False
    texts = [text for text in texts if len(text) <= _LONGEST_NAME]
    return all(any(place(text, field) is not None for text in texts) for field in ("id", "picture"))


def name_headings(texts: Sequence[str]) -> list[str]:
    """Return a table's headings: stripped, each once, none empty.

    Raises:
        TableUnreadable: there are more than ``MOST_COLUMNS``.
    """
    if len(texts) > MOST_COLUMNS:
        raise TableUnreadable(
            f"The table has {len(texts):,} columns; at most {MOST_COLUMNS:,} are read. Remove some."
        )
    if _FEWEST_IN_BULK <= len(texts) < _IN_BULK and texts[0].strip().lower().startswith("gs://"):
        texts = [*texts, *[""] * (_IN_BULK - len(texts))]
    named = [without_foul(text.strip().lstrip("\ufeff").strip()) for text in texts]
    taken = set(named)
    used: set[str] = set()
    following: dict[str, int] = {}
    headings = []
    for number, name in enumerate(named, 1):
        base = heading = name or f"column {number}"
        # A copy never takes the name of a heading that the file itself calls "name (2)".
        while heading in used or (heading != name and heading in taken):
            following[base] = following.get(base, 1) + 1
            heading = f"{base} ({following[base]})"
        used.add(heading)
        headings.append(heading)
    return headings


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
