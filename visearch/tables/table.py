"""A table as it was found in a file: headings, and records one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple, Protocol

Source = Callable[[], Iterator[bytes]]
"""Gives a file's bytes in pieces, from the start each time it is called."""

Cell = str | float | int | bool | list[str] | None
"""Text formats give texts only; JSON and XLSX may give typed values."""

Kind = Literal["csv", "xlsx", "json", "ndjson", "xml"]


class Record(NamedTuple):
    """One record: a row, or an object.

    ``line`` is its first line in a text (from 1), its row in a sheet, or its number among the
    objects of a JSON or XML document. ``cells`` holds the values by heading, as typed,
    unstripped; absent or empty ones may be missing. A heading that an XML element repeats has a
    list of texts. ``problem`` says why the record cannot be read; it starts in lower case and
    has no full stop. What could be read is kept, so that a product's id is still known.
    """

    line: int
    cells: Mapping[str, Cell]
    problem: str | None = None


class Description(NamedTuple):
    """What kind of table a file holds, and how it is read.

    ``encoding`` is what a text was decoded with, and ``assumed`` tells that it was guessed: not
    stated by a byte order mark or an XML declaration, and not valid UTF-8. ``notes`` are
    sentences for the merchant.
    """

    kind: Kind
    encoding: str | None
    assumed: bool
    delimiter: str | None
    sheet: str | None = None
    notes: tuple[str, ...] = ()


class Table(Protocol):
    """Headings in order, stripped and each once, and the records below them.

    A heading that appears twice gets " (2)"; an empty one is "column 3".
    """

    description: Description
    headings: list[str]

    def records(self) -> Iterator[Record]:
        """Yield every record; each call reads the file again and holds one record at a time."""
        ...
