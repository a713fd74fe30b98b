"""Headings: which of a table's first rows holds them, and what each is called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest

from visearch.errors import TableUnreadable
from visearch.tables.headings import FIELDS, Field, place
from visearch.tables.limits import MOST_COLUMNS
from visearch.tables.text import without_foul

WIDTH_FROM = 100
"""How many of the first rows tell whether a table has more than one column."""

_SEARCHED, _MOST_SEARCHED, _LONGEST_NAME = 20, 256, 100
"""Rows in which headings are looked for, columns of each, and characters of a heading there."""

_FILE = r"\S+://.*|.*\.(?:jpe?g|jfif|png|webp|gif|bmp|tiff?|hei[cf]|avif)(?:\?\S*)?"
_IS_FILE = re.compile(_FILE, re.IGNORECASE | re.DOTALL)
"""A URL or the name of a file of a picture."""

_VALUE = re.compile(rf"[0-9][0-9.,]*|{_FILE}", re.IGNORECASE | re.DOTALL)
"""A number, a URL or the name of a file."""

_OF_PROGRAMS = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)+|[a-z0-9]+(?:[A-Z]+[a-z0-9]*)+")
"""``item_sku`` or ``itemSku``"""

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
    an id and pictures, and none of them does. Of two such rows the second holds the headings if it
    is for programs or says more; else it explains the first.
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
    if sure[:1] > candidates[1:2] and _names(rows[candidates[0]], "id"):
        return candidates[0]  # a second table stands below the first
    if len(sure) > 1 and sure[1] == sure[0] + 1 and counts[sure[1]] >= counts[sure[0]]:
        first, second = rows[sure[0]], rows[sure[1]]
        if _is_of_programs(second) or _fields(second) > _fields(first):
            return sure[1]
    return next(iter(sure or candidates), None)


def name_products(row: Sequence[object]) -> bool:
    """Tell whether a row can only be headings: it names an id and pictures, and gives no value."""
    if any(_VALUE.fullmatch(text) for text in _texts(row)):
        return False
    return _names(row, "id") and _names(row, "picture")


def may_hold_products(row: Sequence[object], below: Sequence[Sequence[object]]) -> bool:
    """Tell whether the rows below one of headings may be products: they have ids or pictures."""
    columns = zip_longest(*(rest[:_MOST_SEARCHED] for rest in below))
    values = ([str(value) for value in column if not _is_blank(value)] for column in columns)
    return _names(row, "id") or any(map(_are_files, values))


def _are_files(texts: Sequence[str]) -> bool:
    """Tell whether most texts are files; ``n/a`` may stand between them."""
    return 2 * sum(bool(_IS_FILE.fullmatch(text.strip())) for text in texts) > len(texts)


def _texts(row: Sequence[object]) -> list[str]:
    return [str(value).strip() for value in row[:_MOST_SEARCHED] if not _is_blank(value)]


def _names(row: Sequence[object], field: Field) -> bool:
    texts = (text for text in _texts(row) if len(text) <= _LONGEST_NAME)
    return any(place(text, field) is not None for text in texts)


def _fields(row: Sequence[object]) -> int:
    """Return how many fields the headings name."""
    return sum(_names(row, field) for field in FIELDS)


def _is_of_programs(row: Sequence[object]) -> bool:
    texts = _texts(row)
    return 2 * sum(map(bool, map(_OF_PROGRAMS.fullmatch, texts))) > len(texts)


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
