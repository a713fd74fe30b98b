"""Shopify's product CSV, with the headings of before and after 2025.

A product has a row for each variant and each further picture; only one has its title and the names
of its options, which is the first unless the file was sorted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from visearch.tables.formats.form import Form, Format, Picture, Piece, names, number_in
from visearch.tables.headings import Field
from visearch.tables.mapping import Guess, Mapping
from visearch.tables.table import Kind, Record, Table

_FIELDS: dict[str, Field] = {
    "handle": "id",
    "url handle": "id",
    "title": "title",
    "body (html)": "description",
    "description": "description",
    "image src": "picture",
    "product image url": "picture",
    "image position": "position",
    "variant image": "picture",
    "variant image url": "picture",
    "variant price": "price",
    "price": "price",
}
_NAMES = {
    "variant price": "price",
    "price": "price",
    "variant sku": "sku",
    "sku": "sku",
    "variant barcode": "barcode",
    "barcode": "barcode",
}
_VARIES = ("sku", "barcode")
_VARIANT_IMAGE = ("variant image", "variant image url")

# What a product costs the shop, and how it is stored, taxed and shipped, is not for its visitors.
_IGNORED = re.compile(
    r"cost per item|gift card|image alt text|seo (?:title|description)|tax \d|charge tax"
    r"|(?:variant )?(?:inventory (?:tracker|qty|quantity|policy)|fulfillment service|taxable"
    r"|requires shipping|tax code|weight unit)|weight unit for display"
    r"|continue selling when out of stock|(?:included|price|compare at price|compare-at price) / .+"
    r"|option[123] linked to|unit price .*"
)
_OPTION = re.compile(r"option([123]) (name|value)")
_KEPT_TEXT = re.compile("^'(?=[0-9])")
"""The apostrophe by which Shopify keeps a spreadsheet from making a number of a code."""
_ONLY_VARIANT = "default title"
_AFTER_ALL = 1e6
"""The place of a variant's own picture: after those of the product."""


def recognises(headings: Sequence[str]) -> bool:
    """Tell whether these are headings of such a file."""
    found = {heading.lower() for heading in headings}
    return (
        bool({"handle", "url handle"} & found)
        and bool({"image src", "product image url"} & found)
        and bool({"title", "variant sku", "sku", "option1 value", "vendor"} & found)
    )


def guess(headings: Sequence[str], sample: Sequence[Record]) -> dict[str, Guess]:
    """Say what each heading is."""
    guesses = {}
    for heading in headings:
        low = heading.lower()
        field = _FIELDS.get(low, "ignore" if _IGNORED.fullmatch(low) else "attribute")
        guesses[heading] = Guess(field, _NAMES.get(low))
    return guesses


class ShopifyForm(Form):
    """Rows of one handle are one product; the names of its options stand in its first row."""

    def __init__(self, mapping: Mapping, kind: Kind) -> None:
        super().__init__(mapping, kind)
        columns = [each.column for each in mapping.columns]
        self._variant_images = [each for each in self._pictures if each.lower() in _VARIANT_IMAGE]
        self._own_images = [each for each in self._pictures if each not in self._variant_images]
        self._options: dict[str, dict[str, str]] = {}
        for column in columns:
            if found := _OPTION.fullmatch(column.lower()):
                self._options.setdefault(found[1], {})[found[2]] = column
        options = {column for pair in self._options.values() for column in pair.values()}
        self._valued = [pair for pair in self._valued if pair[0].column not in options]
        self._named: tuple[str, dict[str, str]] = ("", {})  # the handle, and its options' names
        self._apart: dict[str, dict[str, str]] = {}  # the same, of products not in order

    def prepare(self, table: Table) -> None:
        """Learn the names of options that do not stand right before the values of their product."""
        apart = {
            handle
            for record in table.records()
            if self._names_missing(record, handle := self.identity(record)[0])
        }
        self._named = "", {}
        if not apart:
            return
        for record in table.records():
            if (handle := self.identity(record)[0]) in apart:
                for number, columns in self._options.items():
                    if name := self._text(record, columns.get("name")):
                        self._apart.setdefault(handle, {}).setdefault(number, name)

    def adopt(self, prepared: Form) -> None:
        """Take over the names of options."""
        if isinstance(prepared, ShopifyForm):
            self._apart = prepared._apart

    def pictures(self, record: Record) -> list[str]:
        """Return the product's pictures, then the variant's."""
        columns = (*self._own_images, *self._variant_images)
        return [name for column in columns for name in names(record.cells.get(column))]

    def piece(self, record: Record) -> Piece:
        """Return all that a record says; values of options and codes are its variant's."""
        piece = super().piece(record)
        if piece.problem:
            return piece
        variant = self._chosen(record, piece.id)
        attributes = dict(piece.attributes)
        for name in _VARIES:
            if name in attributes:
                variant[name] = [_KEPT_TEXT.sub("", str(attributes.pop(name)))]
        return piece._replace(attributes=attributes, variant=variant)

    def _placed(self, record: Record) -> tuple[Picture, ...]:
        place = number_in(self._text(record, self._position))
        own, of_variant = (
            [name for column in columns for name in names(record.cells.get(column))]
            for columns in (self._own_images, self._variant_images)
        )
        first = _AFTER_ALL if place is None else place
        return (
            *(Picture(first, name) for name in own),
            *(Picture(_AFTER_ALL + 1, name) for name in of_variant),
        )

    def _chosen(self, record: Record, product_id: str) -> dict[str, list[str]]:
        named = self._names_of(record, product_id)
        chosen = {}
        for number, value in self._values(record).items():
            if number in named:
                chosen[named[number]] = [value]
        return chosen

    def _names_of(self, record: Record, product_id: str) -> dict[str, str]:
        """Return the names of the options of a record's product, as far as they are known."""
        handle, named = self._named
        if handle != product_id:
            named = dict(self._apart.get(product_id, {}))
        for number, columns in self._options.items():
            if name := self._text(record, columns.get("name")):
                named[number] = name
        self._named = product_id, named
        return named

    def _names_missing(self, record: Record, product_id: str) -> bool:
        named = self._names_of(record, product_id)
        return any(number not in named for number in self._values(record))

    def _values(self, record: Record) -> dict[str, str]:
        """Return the values of the record's options by their numbers."""
        values = {
            number: self._text(record, columns.get("value"))
            for number, columns in self._options.items()
        }
        return {n: each for n, each in values.items() if each and each.lower() != _ONLY_VARIANT}


SHOPIFY = Format("shopify", recognises, guess, ShopifyForm)
