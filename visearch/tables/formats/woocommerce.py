"""WooCommerce's product CSV in English, German, French and Spanish: parents and variations."""

from __future__ import annotations

import re
from collections.abc import Sequence

from visearch.tables.formats.form import Form, Format, Identity, Piece
from visearch.tables.formats.woocommerce_words import IGNORED, ROLES, attribute_part
from visearch.tables.formats.wrapped import unwrapped, whole
from visearch.tables.headings import Field, normal
from visearch.tables.mapping import Guess, Mapping
from visearch.tables.table import Kind, Record, Table

_FIELDS: dict[str, Field] = {
    "sku": "id",
    "name": "title",
    "images": "picture",
    "parent": "group",
    "regular price": "price",
    "description": "description",
    "short description": "description",
    "external url": "url",
}
_NAMES = {"regular price": "price", "sale price": "sale_price"}
_NEEDED = {"type", "name", "images"}
_TELLING = {"parent", "regular price", "published"}
# A URL may hold a comma itself.
_URLS = re.compile(r",\s*(?=(?:https?:)?//)|,\s+|[|\n]", re.IGNORECASE)
_FILES = re.compile(r"[,|\n]")
_VALUES = re.compile(r"(?<!\\),\s*")
_WORDS = {word: role for role, words in ROLES.items() for word in words}


def role_of(heading: str) -> str | None:
    """Return what a heading is, by its English name; None if it is no heading of WooCommerce."""
    return _WORDS.get(normal(heading))


def recognises(headings: Sequence[str]) -> bool:
    """Tell whether these are headings of such a file."""
    roles = {role_of(heading) for heading in headings}
    return roles >= _NEEDED and bool(roles & {"sku", "id"}) and bool(roles & _TELLING)


def guess(headings: Sequence[str], sample: Sequence[Record]) -> dict[str, Guess]:
    """Say what each heading is; products without an SKU have their number as id."""
    roles = {heading: role_of(heading) for heading in headings}
    guesses = {}
    for heading, role in roles.items():
        field: Field = _FIELDS.get(role or "", "attribute")
        if role == "id" and "sku" not in roles.values():
            field = "id"
        elif role in ("id", "type") or _is_ignored(heading):
            field = "ignore"
        guesses[heading] = Guess(field, _NAMES.get(role or ""))
    return guesses


def _is_ignored(heading: str) -> bool:
    name, part = normal(heading), attribute_part(heading)
    is_other = part is not None and part[1] == "other"
    return name in IGNORED or name.startswith("meta ") or is_other


class WooCommerceForm(Form):
    """A variation names its parent by SKU or as ``id:123``; its pictures are its parent's."""

    def __init__(self, mapping: Mapping, kind: Kind) -> None:
        super().__init__(mapping, kind)
        columns = {role_of(each.column): each.column for each in reversed(mapping.columns)}
        self._type = columns.get("type")
        self._number = columns.get("id")
        self._sku = columns.get("sku")
        self._pairs: dict[str, dict[str, str]] = {}
        for each in mapping.columns:
            found = attribute_part(each.column)
            if found is not None and found[1] != "other":
                self._pairs.setdefault(found[0], {})[found[1]] = each.column
        pairs = {column for pair in self._pairs.values() for column in pair.values()}
        self._valued = [pair for pair in self._valued if pair[0].column not in pairs]
        self._parents: dict[str, str] = {}

    def prepare(self, table: Table) -> None:
        """Learn by which names variations may call their parents."""
        for record in table.records():
            product_id = self._own_id(record)
            if product_id and "variable" in self._text(record, self._type).lower():
                sku, number = self._code(record, self._sku), self._code(record, self._number)
                self._parents[product_id] = product_id
                for name in (sku, f"id:{number}" if number else ""):
                    if name:
                        self._parents.setdefault(name, product_id)

    def adopt(self, prepared: Form) -> None:
        """Take over the names of parents."""
        if isinstance(prepared, WooCommerceForm):
            self._parents = prepared._parents

    def identity(self, record: Record) -> Identity:
        """Return the product a record speaks of: of a variation, that of its parent."""
        own = self._own_id(record)
        if record.problem or not self._is_variation(record):
            problem = None if own else "the row has no SKU and no ID"
            return own, True, record.problem or problem
        parent = self._code(record, self._group)
        if not parent:
            return own, False, "the variation names no parent"
        product_id = self._parents.get(parent) or self._parents.get(parent.replace("id: ", "id:"))
        if product_id is None:
            return own, False, f"its parent {parent[:80]!r} is not in the file"
        return product_id, False, None

    def title(self, record: Record) -> str | None:
        """Return the title of the product; that of a variation names its variant only."""
        return None if self._is_variation(record) else super().title(record)

    def pictures(self, record: Record) -> list[str]:
        """Return the names of the record's pictures; commas or bars separate them."""
        cells = [self._text(record, column) for column in self._pictures]
        parts = [part for cell in cells for part in unwrapped(cell)]
        found = [(_URLS if "//" in part else _FILES).split(part) for part in parts]
        return [whole(name.strip()) for names in found for name in names if name.strip()]

    def piece(self, record: Record) -> Piece:
        """Return all that a record says; its attributes stand in pairs of name and values."""
        piece = super().piece(record)
        if piece.problem:
            return piece
        variant: dict[str, list[str]] = {}
        for pair in self._pairs.values():
            name = self._text(record, pair.get("name"))
            values = _VALUES.split(self._text(record, pair.get("values")))
            if name and any(values):
                variant[name] = [each.replace("\\,", ",").strip() for each in values if each]
        # Of a variation only the price, its attributes and its pictures are the product's.
        if self._is_variation(record):
            prices = {k: v for k, v in piece.attributes.items() if k.startswith(("price", "sale_"))}
            piece = piece._replace(attributes=prices, url=None, description=None)
        return piece._replace(variant=variant)

    def _is_variation(self, record: Record) -> bool:
        return self._text(record, self._type).lower().startswith("variation")

    def _own_id(self, record: Record) -> str:
        return self._code(record, self._id) or self._code(record, self._number)


WOOCOMMERCE = Format("woocommerce", recognises, guess, WooCommerceForm)
