"""A table of nobody's format: headings are understood by what they say, in twelve languages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from visearch.tables.formats.form import PICTURE_NAME, Form, Format, Identity, Piece, names
from visearch.tables.headings import (
    Field,
    may_mean_parents,
    names_files_only,
    place,
    promises_variants,
)
from visearch.tables.mapping import Column, Guess, Mapping
from visearch.tables.table import Cell, Kind, Record
from visearch.tables.values import YES_OR_NO, text_of

_ONCE: tuple[Field, ...] = ("id", "title", "url", "price", "group")
_MANY: tuple[Field, ...] = ("picture", "description")


def guess(headings: Sequence[str], sample: Sequence[Record]) -> dict[str, Guess]:
    """Say what each heading is: the surest one of a field holds it, all others are attributes.

    Without a heading that means pictures, columns whose values all are names of pictures are it.
    """
    guesses = {heading: Guess("attribute") for heading in headings}
    for field in _MANY:
        found = [heading for heading in headings if place(heading, field) is not None]
        if field == "picture":  # "picture: drawn" says how it was made, if others name files
            other = [h for h in found if _names_no_files(record.cells.get(h) for record in sample)]
            found = [heading for heading in found if heading not in other] or found
            found = [h for h in found if not names_files_only(h)] or found
        guesses |= dict.fromkeys(found, Guess(field))
    if not any(each.field == "picture" for each in guesses.values()):
        for heading in headings:
            if _holds_pictures(record.cells.get(heading) for record in sample):
                guesses[heading] = Guess("picture")
    for field in _ONCE:
        sure = {h: place(h, field) for h in headings if guesses[h].field == "attribute"}
        ranks = {heading: rank for heading, rank in sure.items() if rank is not None}
        if field == "group":  # "Parent product: yes" says that others may be its variants
            flags = [h for h in ranks if _are_flags(record.cells.get(h) for record in sample)]
            ranks = {heading: rank for heading, rank in ranks.items() if heading not in flags}
        if ranks:
            guesses[min(ranks, key=ranks.__getitem__)] = Guess(field)
    found_id = next((h for h, each in guesses.items() if each.field == "id"), None)
    if found_id is not None and all(each.field != "group" for each in guesses.values()):
        parents = [h for h in headings if may_mean_parents(h) and guesses[h].field == "attribute"]
        guesses |= {h: Guess("group") for h in parents[:1] if _are_parents(h, found_id, sample)}
    return guesses


def _are_parents(heading: str, id_heading: str, sample: Sequence[Record]) -> bool:
    """Tell whether the values are ids of other rows, which have no parent themselves."""
    ids = [text_of(record.cells.get(id_heading)) for record in sample]
    values = [text_of(record.cells.get(heading)) for record in sample]
    parents = set(values) - {"", "0"}
    without = {own for own, value in zip(ids, values, strict=True) if value in ("", "0")}
    return bool(parents) and parents <= without


def _names_no_files(cells: Iterable[object]) -> bool:
    """Tell whether there are values, and none looks like a path or a URL."""
    values = [
        name for cell in cells for name in names(cell if isinstance(cell, str | list) else None)
    ]
    return bool(values) and not any("/" in value or "." in value for value in values)


def _are_flags(cells: Iterable[Cell]) -> bool:
    """Tell whether the values say yes or no; a single "1" may be a name as well."""
    values = {text.casefold() for cell in cells if (text := text_of(cell))}
    return bool(values) and values <= YES_OR_NO and values != {"1"}


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
