"""How a format reads one record: what it says of which product."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as Dict
from types import MappingProxyType
from typing import Any, NamedTuple

from visearch.records import Attributes
from visearch.tables.mapping import Column, Guess, Mapping
from visearch.tables.table import Cell, Kind, Record, Table
from visearch.tables.texts import plain_text
from visearch.tables.values import Reader, Value, text_of

_NOTHING: Dict[str, Any] = MappingProxyType({})

# A bar or a new line between names; several URLs may stand in one cell in other ways too.
# The look behind keeps a long run of blanks from being tried at each of them.
_BETWEEN = re.compile(r"\||\n|(?<![,;\s])[,;\s]+(?=https?://)", re.IGNORECASE)
_COMMA = re.compile(r"[,;]")
PICTURE_NAME = re.compile(
    r"[^?#]+\.(?:jpe?g|jfif|png|webp|gif|bmp|tiff?|heic|heif|avif)(?:[?#]\S*)?", re.IGNORECASE
)


class Picture(NamedTuple):
    """The name of a picture and its place among those of the product; equal ones keep the order."""

    place: float
    name: str


class Identity(NamedTuple):
    """Which product a record speaks of.

    ``alone`` tells that a record of this format describes a whole product: another record of the
    same id and another title then is another product.
    """

    id: str
    alone: bool = True
    problem: str | None = None


class Piece(NamedTuple):
    """What one record says of its product. ``variant`` holds what several of them add up to."""

    line: int
    id: str
    pictures: tuple[Picture, ...] = ()
    title: str | None = None
    url: str | None = None
    description: str | None = None
    attributes: Dict[str, Value] = _NOTHING
    variant: Dict[str, list[str]] = _NOTHING
    problem: str | None = None


class Odd(NamedTuple):
    """How many values of a column are not of its type, and the line of the first."""

    values: int
    line: int


class Form:
    """Reads the records of one table by its mapping. A format changes what it does differently.

    ``odd`` counts, by column, values that are not of their column's type and stay text.
    """

    def __init__(self, mapping: Mapping, kind: Kind) -> None:
        self.odd: dict[str, Odd] = {}
        self._id = mapping.first("id")
        self._group = mapping.first("group")
        self._title = mapping.first("title")
        self._url = mapping.first("url")
        self._position = mapping.first("position")
        self._pictures = [each.column for each in mapping.of("picture")]
        self._descriptions = [each.column for each in mapping.of("description")]
        self._valued = [(each, _reader(each, kind)) for each in mapping.of("attribute", "price")]

    def prepare(self, table: Table) -> None:
        """Look through the table first, if a record cannot be understood without the others."""

    def adopt(self, prepared: Form) -> None:
        """Take over what another form of the same table has learnt by ``prepare``."""

    def identity(self, record: Record) -> Identity:
        """Return which product a record speaks of; a record of a group is a variant of it."""
        own, group = self._text(record, self._id), self._text(record, self._group)
        problem = None if own or group else "the row has no id"
        return Identity(group or own, not group, record.problem or problem)

    def title(self, record: Record) -> str | None:
        """Return the title of the record's product."""
        return self._text(record, self._title) or None

    def pictures(self, record: Record) -> list[str]:
        """Return the names of the record's pictures in order."""
        return [name for column in self._pictures for name in names(record.cells.get(column))]

    def piece(self, record: Record) -> Piece:
        """Return all that a record says; call ``identity`` where only that is needed."""
        product_id, _, problem = self.identity(record)
        if problem:
            return Piece(record.line, product_id, problem=problem)
        texts = [plain_text(self._text(record, column)) for column in self._descriptions]
        # The short description is often the first lines of the long one.
        kept = [text for text in texts if text and not any(text in o for o in texts if o != text)]
        return Piece(
            record.line,
            product_id,
            self._placed(record),
            self.title(record),
            self._text(record, self._url) or None,
            "\n".join(dict.fromkeys(kept)) or None,
            self._attributes(record),
        )

    def _placed(self, record: Record) -> tuple[Picture, ...]:
        place = number_in(self._text(record, self._position))
        return tuple(Picture(place or 0.0, name) for name in self.pictures(record))

    def _attributes(self, record: Record) -> Attributes:
        attributes: Attributes = {}
        for column, reader in self._valued:
            cell = record.cells.get(column.column)
            if cell is None or column.name in attributes:
                continue
            if reader.is_text and isinstance(cell, str):  # most are: the rest takes longer
                if text := cell.strip():
                    attributes[column.name] = text
                continue
            taken = reader.read(cell)
            if taken is None:
                continue
            attributes[column.name] = taken.value
            if taken.odd:
                values, line = self.odd.get(column.column, Odd(0, record.line))
                self.odd[column.column] = Odd(values + 1, line)
            if taken.currency and taken.currency != column.currency:
                attributes[f"{column.name}_currency"] = taken.currency
        return attributes

    def _text(self, record: Record, column: str | None) -> str:
        return "" if column is None else text_of(record.cells.get(column))


class Format(NamedTuple):
    """One way in which shops write their products down.

    ``guess`` says what each heading is; ``sample`` are the first records, for a format that looks
    at values too. ``adapt`` gives a table its true headings where the file has none.
    """

    name: str
    recognises: Callable[[Sequence[str]], bool]
    guess: Callable[[Sequence[str], Sequence[Record]], dict[str, Guess]]
    form: Callable[[Mapping, Kind], Form]
    adapt: Callable[[Table], Table] | None = None


def names(cell: Cell) -> Iterator[str]:
    """Yield the names of pictures in a cell: a list, or a text that bars or new lines separate.

    A comma or semicolon separates names too if what stands around each of them is one of a picture
    file; else it may be a part of a name.
    """
    for part in cell if isinstance(cell, list) else [text_of(cell)]:
        for name in _BETWEEN.split(part):
            if stripped := name.strip():
                yield from _by_comma(stripped)


def _by_comma(text: str) -> list[str]:
    if "," not in text and ";" not in text:
        return [text]
    parts = [stripped for part in _COMMA.split(text) if (stripped := part.strip())]
    return parts if all(PICTURE_NAME.fullmatch(part) for part in parts) else [text]


def number_in(text: str) -> float | None:
    """Return a place such as ``3`` or ``3.0``; None if a text is none."""
    return float(text) if re.fullmatch(r"[0-9]{1,6}(?:\.0+)?", text) else None


def _reader(column: Column, kind: Kind) -> Reader:
    return Reader(kind, column.type, stated="type" in column.stated, decimal=column.decimal)
