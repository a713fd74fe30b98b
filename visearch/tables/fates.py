"""The columns that are added to a merchant's table to tell each row's fate, and taken off again.

A merchant who downloads the rows that failed corrects them and uploads that very file. What was
added, and what was changed so that no spreadsheet takes a cell for a formula, is undone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from visearch.tables.table import Cell, Record, Table
from visearch.tables.values import text_of

FATES = ("fate", "code", "reason")
"""The headings that are added, side by side."""

_FORMULA = tuple("=+-@\t\r")
_AMOUNT = re.compile(r"[+-][0-9][0-9.,]*")
_COPY = re.compile(r" \([0-9]+\)$")


def safe(text: str) -> str:
    """Return a cell that no spreadsheet runs as a formula: an apostrophe goes before it."""
    if text.lstrip("'").startswith(_FORMULA) and not _AMOUNT.fullmatch(text):
        return f"'{text}"
    return text


def cell_text(cell: Cell) -> str:
    """Return a cell as text; a bar separates the members of a list."""
    if isinstance(cell, list):
        return "|".join(cell)
    return cell if isinstance(cell, str) else text_of(cell)


def without_fates(table: Table) -> Table:
    """Return a table as it was before fates were added to it, if they were."""
    ours = _fates_in(table.headings)
    return table if ours is None else _Returned(table, ours)


def _fates_in(headings: Sequence[str]) -> int | None:
    """Return the place of the first added column; None if there is none.

    A merchant's own column of that name stands before it, and makes it "code (2)".
    """
    bare = [_COPY.sub("", heading) for heading in headings]
    for place in range(len(bare) - len(FATES), -1, -1):
        if tuple(bare[place : place + len(FATES)]) == FATES:
            return place
    return None


class _Returned:
    """A table without the columns from ``place`` on that tell fates."""

    def __init__(self, table: Table, place: int) -> None:
        self._table = table
        ours = slice(place, place + len(FATES))
        self._ours = frozenset(table.headings[ours])
        kept = [heading for heading in table.headings if heading not in self._ours]
        self._names = {heading: _restored(heading) for heading in kept}
        self.headings = list(self._names.values())
        self.description = table.description

    def records(self) -> Iterator[Record]:
        """Yield every record as it was."""
        for record in self._table.records():
            cells = {
                self._names[heading]: _restored(cell) if isinstance(cell, str) else cell
                for heading, cell in record.cells.items()
                if heading not in self._ours
            }
            yield record._replace(cells=cells)


def _restored(text: str) -> str:
    """Undo ``safe``."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(_FORMULA) else text
