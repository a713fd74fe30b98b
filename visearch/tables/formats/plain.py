"""A table of nobody's format: headings are understood by what they say, in twelve languages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from visearch.tables.formats.form import PICTURE_NAME, Form, Format, Identity, Piece, names
from visearch.tables.headings import (
    Field,
    may_name_pictures,
    names_all_pictures,
    names_files_only,
    place,
    promises_variants,
)
from visearch.tables.mapping import Column, Guess, Mapping
from visearch.tables.table import Kind, Record

_ONCE: tuple[Field, ...] = ("id", "title", "url", "price", "group")


def guess(headings: Sequence[str], sample: Sequence[Record]) -> dict[str, Guess]:
    """Say what each heading is: the surest one of a field holds it, all others are attributes."""
    guesses = {heading: Guess("attribute") for heading in headings}
    guesses |= dict.fromkeys(_pictures(headings, sample), Guess("picture"))
    descriptions = [heading for heading in headings if place(heading, "description") is not None]
    guesses |= dict.fromkeys(descriptions, Guess("description"))
    for field in _ONCE:
        sure = {h: place(h, field) for h in headings if guesses[h].field == "attribute"}
        ranks = {heading: rank for heading, rank in sure.items() if rank is not None}
        if ranks:
            guesses[min(ranks, key=ranks.__getitem__)] = Guess(field)
    return guesses


def _pictures(headings: Sequence[str], sample: Sequence[Record]) -> list[str]:
    """Return the headings of pictures: by what they say, else by values that are all names of some.

    Values count beside headings that need not name all pictures, too.
    """
    said = [heading for heading in headings if place(heading, "picture") is not None]
    # "picture: drawn" says how it was made, if others name files
    other = [h for h in said if _names_no_files(record.cells.get(h) for record in sample)]
    said = [heading for heading in said if heading not in other] or said
    if any(map(names_all_pictures, said)):
        held = []
    else:
        held = [
            heading
            for heading in headings
            if (not said or may_name_pictures(heading))
            and _holds_pictures(record.cells.get(heading) for record in sample)
        ]
    both = {*said, *held}
    found = [heading for heading in headings if heading in both]
    return [heading for heading in found if not names_files_only(heading)] or found


def _names_no_files(cells: Iterable[object]) -> bool:
    """Tell whether there are values, and none looks like a path or a URL."""
    values = [
        name for cell in cells for name in names(cell if isinstance(cell, str | list) else None)
    ]
    return bool(values) and not any("/" in value or "." in value for value in values)


def _holds_pictures(cells: Iterable[object]) -> bool:
    values = [
        name for cell in cells for name in names(cell if isinstance(cell, str | list) else None)
    ]
    return bool(values) and all(PICTURE_NAME.fullmatch(value) for value in values)


class GroupForm(Form):
    """Variants name their group; the group has all that is said of them, and their own ids."""

    def __init__(self, mapping: Mapping, kind: Kind) -> None:
        super().__init__(mapping, kind)
        self._own = mapping.first("id") or ""
        varying = (each.name for each in mapping.of("attribute") if _varies(each))
        self._varies = frozenset((self._own, *varying))

    def identity(self, record: Record) -> Identity:
        """Return which product a record speaks of; databases write 0 for "no parent"."""
        if self._code(record, self._group) == "0":
            own = self._code(record, self._id)
            return own, True, record.problem or (None if own else "the row has no id")
        return super().identity(record)

    def piece(self, record: Record) -> Piece:
        """Return all that a record says; the id of a variant is an attribute of its group."""
        piece = super().piece(record)
        if piece.problem:
            return piece
        own = self._code(record, self._id)
        if own and own != piece.id:
            piece = piece._replace(attributes={self._own: own, **piece.attributes})
        return piece._replace(varies=self._varies)


def form(mapping: Mapping, kind: Kind) -> Form:
    """Return what reads a table's records: with a column of groups, they may be variants."""
    return Form(mapping, kind) if mapping.first("group") is None else GroupForm(mapping, kind)


def _varies(column: Column) -> bool:
    """Tell whether a group has all values of a column: texts, and sizes that are numbers."""
    if column.promises_prices:
        return False
    is_size = column.type == "number" and promises_variants(column.column)
    return is_size or column.type in ("text", "list")


PLAIN = Format("plain", lambda headings: True, guess, form)
