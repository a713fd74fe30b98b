"""How a format reads one record: what it says of which product."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Dict
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

from visearch.records import Attributes
from visearch.tables.formats.wrapped import WRAPPED, unwrapped, whole
from visearch.tables.mapping import Column, Guess, Mapping
from visearch.tables.table import Cell, Kind, Record, Table
from visearch.tables.texts import plain_text
from visearch.tables.values import FORMULA_ERRORS, REMEMBERED, Reader, Value, id_of, text_of

_NOTHING: Dict[str, Any] = MappingProxyType({})

# A bar or a new line between names; several URLs may stand in one cell in other ways too.
# The look behind keeps a long run of blanks from being tried at each of them.
_BETWEEN = re.compile(r"\||\n|(?<![,;\s])[,;\s]+(?=(?:https?:)?//)", re.IGNORECASE)
_COMMA = re.compile(r"[,;]")
PICTURE_NAME = re.compile(
    r"[^?#]+\.(?:jpe?g|jfif|png|webp|gif|bmp|tiff?|heic|heif|avif)(?:[?#]\S*)?", re.IGNORECASE
)


class Picture(NamedTuple):
    """The name of a picture and its place among those of the product; equal ones keep the order."""

    place: float
    name: str


Identity = tuple[str, bool, str | None]
"""Which product a record speaks of: its id, whether the record is ``alone``, and a problem.

``alone`` tells that a record of this format describes a whole product: another record of the same
id and another title then is another product.
"""


class Piece(NamedTuple):
    """What one record says of its product.

    ``variant`` holds what several of them add up to. ``varies`` names the attributes of which the
    product has the values of all its records; of any other the first value counts.
    """

    line: int
    id: str
    pictures: tuple[Picture, ...] = ()
    title: str | None = None
    url: str | None = None
    description: str | None = None
    attributes: Dict[str, Value] = _NOTHING
    variant: Dict[str, list[str]] = _NOTHING
    problem: str | None = None
    varies: frozenset[str] = frozenset()


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
        self._ignored = frozenset(each.column for each in mapping.of("ignore"))
        valued = mapping.of("attribute", "price")
        remembered = REMEMBERED // max(1, len(valued))
        self._valued = [(each, _reader(each, kind, remembered)) for each in valued]

    def prepare(self, table: Table) -> None:
        """Look through the table first, if a record cannot be understood without the others."""

    def adopt(self, prepared: Form) -> None:
        """Take over what another form of the same table has learnt by ``prepare``."""

    def identity(self, record: Record) -> Identity:
        """Return which product a record speaks of; a record of a group is a variant of it."""
        own = self._code(record, self._id)
        group = "" if self._group is None else self._code(record, self._group)
        problem = record.problem or (None if own or group else "the row has no id")
        return group or own, not group, problem

    def title(self, record: Record) -> str | None:
        """Return the title of the record's product."""
        return self._text(record, self._title) or None

    def pictures(self, record: Record) -> list[str]:
        """Return the names of the record's pictures in order."""
        if len(self._pictures) == 1:
            return names(record.cells.get(self._pictures[0]))
        return [name for column in self._pictures for name in names(record.cells.get(column))]

    def piece(self, record: Record) -> Piece:
        """Return all that a record says; call ``identity`` where only that is needed."""
        product_id, _, problem = self.identity(record)
        problem = problem or self._formula_error(record)
        if problem:
            known = "" if product_id in FORMULA_ERRORS else product_id
            return Piece(record.line, known, problem=problem)
        return Piece(
            record.line,
            product_id,
            self._placed(record),
            self.title(record),
            self._text(record, self._url) or None,
            self._description(record),
            self._attributes(record),
        )

    def _formula_error(self, record: Record) -> str | None:
        """Say which column that is read holds an error of a spreadsheet, as XLSX files say it."""
        for column, cell in record.cells.items():
            if isinstance(cell, str) and cell in FORMULA_ERRORS and column not in self._ignored:
                return f"column {column[:80]!r}: the formula gives the error {cell}"
        return None

    def _description(self, record: Record) -> str | None:
        if len(self._descriptions) == 1:
            return plain_text(self._text(record, self._descriptions[0])) or None
        texts = [plain_text(self._text(record, column)) for column in self._descriptions]
        # The short description is often the first lines of the long one.
        kept = [text for text in texts if text and not any(text in o for o in texts if o != text)]
        return "\n".join(dict.fromkeys(kept)) or None

    def _placed(self, record: Record) -> tuple[Picture, ...]:
        place = 0.0
        if self._position is not None:
            place = number_in(self._text(record, self._position)) or 0.0
        found = self.pictures(record)
        if len(found) == 1:
            return (Picture(place, found[0]),)
        return tuple([Picture(place, name) for name in found])

    def _attributes(self, record: Record) -> Attributes:
        attributes: Attributes = {}
        cells = record.cells
        for heading, name, currency, reader in self._readers:
            cell = cells.get(heading)
            if cell is None or name in attributes:
                continue
            if reader.is_text and isinstance(cell, str):  # most are: the rest takes longer
                if text := cell.strip():
                    attributes[name] = text
                continue
            taken = reader.read(cell)
            if taken is None:
                continue
            attributes[name] = taken.value
            if taken.odd:
                values, line = self.odd.get(heading, Odd(0, record.line))
                self.odd[heading] = Odd(values + 1, line)
            if taken.currency and taken.currency != currency:
                attributes[f"{name}_currency"] = taken.currency
        return attributes

    @cached_property
    def _readers(self) -> list[tuple[str, str, str | None, Reader]]:
        """The columns of attributes, taken apart once: a format may leave some out before."""
        return [(each.column, each.name, each.currency, reader) for each, reader in self._valued]

    def _code(self, record: Record, column: str | None) -> str:
        """Return an id, or the name of a product in another row."""
        cell = None if column is None else record.cells.get(column)
        return cell.strip() if isinstance(cell, str) and cell.isascii() else id_of(cell)

    def _text(self, record: Record, column: str | None) -> str:
        if column is None:
            return ""
        cell = record.cells.get(column)
        return cell.strip() if isinstance(cell, str) else text_of(cell)


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


def names(cell: Cell) -> list[str]:
    """Return the names of pictures in a cell: a list, or a text that bars or new lines separate.

    Quotes, brackets of JSON and formulas around them are taken off, and ``//`` means https. A comma
    or semicolon separates names too if what stands around each of them is one of a picture
    file; else it may be a part of a name.
    """
    if not isinstance(cell, list):
        text = cell.strip() if isinstance(cell, str) else text_of(cell)
        if _is_one(text):
            return [text] if text else []  # as most are
        cell = unwrapped(text)
    stripped = (name.strip() for part in cell for name in _BETWEEN.split(part))
    return [whole(name) for text in stripped if text for name in _by_comma(text)]


def _is_one(text: str) -> bool:
    """Tell that a text can only be one name; of some single ones it does not."""
    if "|" in text or "\n" in text or "," in text or ";" in text or text.startswith(WRAPPED):
        return False
    return "://" not in text or (text.startswith("http") and text.find("://", 8) < 0)


def _by_comma(text: str) -> list[str]:
    if "," not in text and ";" not in text:
        return [text]
    parts = [stripped for part in _COMMA.split(text) if (stripped := part.strip())]
    return parts if all(PICTURE_NAME.fullmatch(part) for part in parts) else [text]


def number_in(text: str) -> float | None:
    """Return a place such as ``3`` or ``3.0``; None if a text is none."""
    return float(text) if re.fullmatch(r"[0-9]{1,6}(?:\.0+)?", text) else None


def _reader(column: Column, kind: Kind, remembered: int) -> Reader:
    return Reader(
        kind,
        column.type,
        stated="type" in column.stated,
        decimal=column.decimal,
        remembered=remembered,
    )
