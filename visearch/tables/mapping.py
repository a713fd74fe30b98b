"""Which column of a table is what: guessed, corrected by the merchant, kept for the catalog."""

from __future__ import annotations

import json
from collections.abc import Mapping as Dict
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from pydantic import BaseModel, ConfigDict

from visearch.errors import InvalidRequest, MappingIncomplete
from visearch.tables.headings import FIELDS, Field, promises_codes, promises_prices
from visearch.tables.prices import decimal_in
from visearch.tables.values import TYPES, Evidence, Type

ONCE: tuple[Field, ...] = ("id", "title", "url", "price", "group", "position")
"""A product has one of each, so one column holds it."""
VALUED: tuple[Field, ...] = ("attribute", "price")
"""What has a type; all else is text."""

MOST_SAVED, LONGEST_SAVED = 1000, 200
"""Columns that a catalog remembers without having been told, and characters of their headings."""

_SHOWN_HEADINGS = 300
_NEEDED: tuple[tuple[Field, str, str], ...] = (
    ("id", "the product's id", "'id' or 'sku'"),
    ("picture", "the product's pictures", "'image'"),
)


class Guess(NamedTuple):
    """What a format says of a heading; ``name`` is that of the attribute, if not the heading."""

    field: Field
    name: str | None = None


class Column(NamedTuple):
    """What one column is. ``stated`` lists which of "field" and "type" the merchant has named."""

    column: str
    field: Field
    name: str
    type: Type = "text"
    currency: str | None = None
    decimal: str | None = None
    example: str | None = None
    stated: tuple[str, ...] = ()

    @property
    def promises_prices(self) -> bool:
        """Tell whether its values are looked at as prices."""
        return self.field == "price" or promises_prices(self.column)


class Mapping(NamedTuple):
    """The columns of one table, as they are read."""

    format: str
    columns: tuple[Column, ...]

    def of(self, *fields: Field) -> list[Column]:
        """Return the columns that hold one of these fields, in the order of the table."""
        return [column for column in self.columns if column.field in fields]

    def first(self, field: Field) -> str | None:
        """Return the heading of the first column that holds a field."""
        return next((each.column for each in self.columns if each.field == field), None)

    def save(self, before: SavedMapping | None = None) -> SavedMapping:
        """Return what the catalog keeps: what the merchant stated, and the types of attributes.

        What ``before`` knew of columns that this table lacks is kept; of more than ``MOST_SAVED``
        columns, only what the merchant stated.
        """
        columns = dict(before.columns) if before is not None else {}
        for each in self.columns:
            if not each.stated and (len(each.column) > LONGEST_SAVED or len(columns) > MOST_SAVED):
                continue
            columns[each.column] = SavedColumn(
                field=each.field if "field" in each.stated else None,
                type=each.type if each.field in VALUED and each.example is not None else None,
                type_stated="type" in each.stated,
                currency=each.currency,
                decimal=each.decimal,
            )
        return SavedMapping(columns=columns)


class Choice(NamedTuple):
    """What a merchant says of a column; None of what is left as it is."""

    field: Field | None
    type: Type | None


class SavedColumn(BaseModel):
    """What a catalog knows of a column: a field only if the merchant stated it."""

    model_config = ConfigDict(frozen=True)

    field: Field | None = None
    type: Type | None = None
    type_stated: bool = False
    currency: str | None = None
    decimal: str | None = None


class SavedMapping(BaseModel):
    """What a catalog knows of the columns of its files, as JSON in its row."""

    model_config = ConfigDict(frozen=True)

    columns: dict[str, SavedColumn] = {}

    def without_stated(self) -> SavedMapping:
        """Return what is left without the merchant's word: the types that were found."""
        found = {n: each for n, each in self.columns.items() if each.type and not each.type_stated}
        return SavedMapping(
            columns={n: each.model_copy(update={"field": None}) for n, each in found.items()}
        )

    def stated(self, choices: Dict[str, Choice]) -> SavedMapping:
        """Return what a catalog knows once the merchant has said this of columns, without a file.

        Where several columns are to be one field, the files decide: the first that a file has.
        """
        columns = dict(self.columns)
        for column, choice in choices.items():
            old = columns.get(column, SavedColumn())
            update: dict[str, Any] = {"field": choice.field or old.field}
            if choice.type is not None:
                update |= {"type": choice.type, "type_stated": True}
            columns[column] = old.model_copy(update=update)
        return SavedMapping(columns=columns)

    def of(self, headings: Sequence[str]) -> dict[str, SavedColumn]:
        """Return what is known of these columns, however their headings are capitalised."""
        folded = {column.casefold(): column for column in reversed(self.columns)}
        names = {h: h if h in self.columns else folded.get(h.casefold()) for h in headings}
        return {h: self.columns[name] for h, name in names.items() if name is not None}


class Known(BaseModel):
    """What is known of a table's columns before it is read: the merchant's word, the catalog's."""

    model_config = ConfigDict(frozen=True)

    choices: dict[str, Choice] = {}
    saved: SavedMapping = SavedMapping()

    @property
    def is_nothing(self) -> bool:
        """Whether the table alone decides."""
        return not self.choices and not self.saved.columns


def choices_of(raw: Any) -> dict[str, Choice]:
    """Read a merchant's mapping: ``{column: field}`` or ``{column: {"field": …, "type": …}}``.

    Raises:
        InvalidRequest: it is anything else; each wrong entry is named.
    """
    if not isinstance(raw, dict):
        raise InvalidRequest(
            'A mapping is a JSON object from column to field, as {"Artikelnr": "id"}. Send one.',
            (("mapping", "This is not an object."),),
        )
    choices, wrong = {}, []
    for column, value in raw.items():
        parts = value if isinstance(value, dict) else {"field": value}
        field, kind = parts.get("field"), parts.get("type")
        if problem := _choice_problem(parts, field, kind):
            wrong.append((_pointer(column), problem))
        else:
            choices[str(column).strip()] = Choice(cast(Field, field), cast(Type, kind))
    if wrong:
        raise InvalidRequest("The mapping cannot be used. Correct the columns named.", tuple(wrong))
    return choices


def _choice_problem(parts: dict[str, Any], field: Any, kind: Any) -> str | None:
    if unknown := sorted(set(map(str, parts)) - {"field", "type"}):
        return f"A column has 'field' and 'type', not {unknown[0][:40]!r}."
    if field is None and kind is None:
        return "Say the column's field, its type, or both."
    if field is not None and field not in FIELDS:
        return f"A field is one of {', '.join(FIELDS)}."
    if kind is not None and kind not in TYPES:
        return f"A type is one of {', '.join(TYPES)}."
    if field is not None and field not in VALUED and kind not in (None, "text"):
        return f"Only an attribute or a price has a type; a column that is {field!r} is text."
    return None


def assign(
    format_name: str,
    headings: Sequence[str],
    guesses: Dict[str, Guess],
    saved: SavedMapping | None = None,
    choices: Dict[str, Choice] | None = None,
) -> Mapping:
    """Decide what each column is: the merchant's word first, then the catalog's, then the guess.

    Nothing is asked of the result (``require``).

    Raises:
        InvalidRequest: a choice names a column that the table lacks, or two columns one field.
    """
    found = _matched(headings, choices or {})
    stated = {
        heading: Choice(column.field, column.type if column.type_stated else None)
        for heading, column in (saved.of(headings).items() if saved is not None else ())
        if column.field or column.type_stated
    }
    for heading, choice in found.items():
        old = stated.get(heading, Choice(None, None))
        stated[heading] = Choice(choice.field or old.field, choice.type or old.type)
    taken = _taken(stated, found)
    columns = []
    for heading in headings:
        guess, choice = guesses[heading], stated.get(heading, Choice(None, None))
        said = choice.field
        if said is not None and taken.get(said, heading) != heading:
            said = None  # an earlier choice, which a new one has replaced
        # What the merchant has found elsewhere is still something to know of the product.
        lost = taken.get(guess.field, heading) != heading
        field = said or ("attribute" if lost else guess.field)
        names = [word for word, value in (("field", said), ("type", choice.type)) if value]
        columns.append(
            Column(
                heading,
                field,
                (not lost and guess.name) or heading,
                (field in VALUED and choice.type) or "text",
                stated=tuple(names),
            )
        )
    return Mapping(format_name, tuple(columns))


def _matched(headings: Sequence[str], choices: Dict[str, Choice]) -> dict[str, Choice]:
    """Return the choices by the table's own spelling of their columns."""
    folded: dict[str, str] = {heading.casefold(): heading for heading in reversed(headings)}
    found, wrong = {}, []
    for column, choice in choices.items():
        heading = column if column in headings else folded.get(column.casefold())
        if heading is None:
            wrong.append((_pointer(column), "The table has no such column."))
        else:
            found[heading] = choice
    if wrong:
        raise InvalidRequest(
            f"The mapping names columns that the table lacks. It has: {_shown(headings)}.",
            tuple(wrong),
        )
    return found


def _taken(stated: Dict[str, Choice], chosen: Dict[str, Choice]) -> dict[Field, str]:
    """Return the column of each field that only one can hold; a new choice beats a saved one."""
    taken: dict[Field, str] = {}
    for heading, choice in (*chosen.items(), *stated.items()):
        field = choice.field
        if field is None or field not in ONCE or taken.setdefault(field, heading) == heading:
            continue
        if heading in chosen:
            raise InvalidRequest(
                f"The columns {taken[field]!r} and {heading!r} cannot both be the {field}. "
                "Keep one; the other can be an attribute.",
                ((_pointer(heading), f"Another column is the {field} already."),),
            )
    return taken


def require(mapping: Mapping) -> None:
    """Raise MappingIncomplete if no column is the id, or none is a picture."""
    headings = [each.column for each in mapping.columns]
    for field, what, word in _NEEDED:
        if mapping.first(field) is None:
            example = json.dumps({headings[0][:80] if headings else "": field}, ensure_ascii=False)
            raise MappingIncomplete(
                f"No column of the table is known to hold {what}. Its columns are: "
                f"{_shown(headings)}. Name one of them {word}, or say which it is in the mapping, "
                f"as {example}: in the form field 'mapping' of the import, or for good by PUT "
                "/v1/catalogs/{catalog}/mapping."
            )


def settle(
    mapping: Mapping, evidence: Dict[str, Evidence], saved: SavedMapping | None = None
) -> Mapping:
    """Give each column its type: the stated one, else the catalog's, else that of its values."""
    known = saved.of([each.column for each in mapping.columns]) if saved is not None else {}
    return mapping._replace(
        columns=tuple(
            _settled(each, evidence[each.column], known.get(each.column, SavedColumn()))
            for each in mapping.columns
        )
    )


def _settled(column: Column, evidence: Evidence, known: SavedColumn) -> Column:
    column = column._replace(example=evidence.example)
    if column.field not in VALUED:
        return column
    if "type" not in column.stated:
        guess = evidence.guess(price=column.promises_prices, code=promises_codes(column.column))
        column = column._replace(type=known.type or guess)
    if column.type == "price":
        column = column._replace(currency=known.currency or evidence.currency)
    decimal = evidence.decimal or known.decimal
    return column._replace(decimal=decimal or decimal_in(column.column))


def _pointer(column: object) -> str:
    return "mapping/" + str(column)[:200].replace("~", "~0").replace("/", "~1")


def _shown(headings: Sequence[str]) -> str:
    return ", ".join(headings)[:_SHOWN_HEADINGS] or "none"
