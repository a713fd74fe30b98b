"""Google Merchant's product feed: TSV or CSV, or XML whose elements begin with ``g:``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from visearch.records import Attributes
from visearch.tables.formats.form import Form, Format, Piece
from visearch.tables.formats.wrapped import unwrapped, whole
from visearch.tables.headings import Field
from visearch.tables.mapping import Guess
from visearch.tables.table import Record
from visearch.tables.values import text_of

_FIELDS: dict[str, Field] = {
    "id": "id",
    "item_group_id": "group",
    "title": "title",
    "link": "url",
    "link.@href": "url",
    "description": "description",
    "summary": "description",
    "content": "description",
    "image_link": "picture",
    "additional_image_link": "picture",
    "price": "price",
}
"""What the names of a feed mean; some are those of Atom (``link.@href``, ``summary``)."""

_FEED_WORDS = {
    "availability", "item_group_id", "google_product_category", "gtin", "brand", "condition",
    "additional_image_link", "price", "link", "mpn", "identifier_exists", "sale_price",
}  # fmt: skip
_VARIES = ("color", "size", "material", "pattern", "gtin", "mpn", "size_type", "size_system")
"""What differs between the variants of one group: the product has all their values."""

_PRIVATE = re.compile(
    r"cost_of_goods_sold|auto_pricing_min_price|ads_.*|excluded_destination|included_destination"
    r"|shopping_ads_excluded_country|custom_label_\d|promotion_id|pause|external_seller_id"
)
"""What a merchant tells Google about money and campaigns, not a shop's visitors."""


def name_of(heading: str) -> str:
    """Return the feed's own name of a heading: ``g:image_link`` and "image link" are one."""
    bare = re.sub(r"(^|[./])g:", r"\1", heading.strip().lower())
    return re.sub(r"[\s\-]+", "_", bare)


def recognises(headings: Sequence[str]) -> bool:
    """Tell whether these are headings of a feed."""
    names = {name_of(heading) for heading in headings}
    marked = any(heading.lower().startswith("g:") for heading in headings)
    return {"id", "image_link"} <= names and (marked or len(names & _FEED_WORDS) >= 2)


def guess(headings: Sequence[str], sample: Sequence[Record]) -> dict[str, Guess]:
    """Say what each heading is; of ``title`` and ``g:title`` the second is the feed's."""
    marked = {name_of(h) for h in headings if h.lower().startswith("g:")}
    names = {name_of(heading) for heading in headings}
    guesses: dict[str, Guess] = {}
    seen: set[str] = set()
    for heading in headings:
        name = name_of(heading)
        twice = name in seen or (name in marked and not heading.lower().startswith("g:"))
        if name.startswith("link.@"):  # Atom's; its rel and type say nothing of the product
            twice = name != "link.@href" or "link" in names
        if twice or _PRIVATE.fullmatch(name):
            guesses[heading] = Guess("ignore")
            continue
        seen.add(name)
        guesses[heading] = Guess(_FIELDS.get(name, "attribute"), name)
    return guesses


class GoogleForm(Form):
    """Variants name their group; a cell with several pictures separates them by commas."""

    def pictures(self, record: Record) -> list[str]:
        """Return the main picture first, then the additional ones."""
        found = [(name_of(each) != "image_link", each) for each in self._pictures]
        return [name for _, each in sorted(found) for name in _listed(record, each)]

    def piece(self, record: Record) -> Piece:
        """Return all that a record says; what varies inside its group is told apart."""
        piece = super().piece(record)
        if not self._text(record, self._group):
            return piece
        fixed: Attributes = {}
        variant: dict[str, list[str]] = {}
        for name, value in piece.attributes.items():
            if name in _VARIES:
                variant[name] = value if isinstance(value, list) else [text_of(value)]
            else:
                fixed[name] = value
        return piece._replace(attributes=fixed, variant=variant)


def _listed(record: Record, column: str) -> Iterator[str]:
    cell = record.cells.get(column)
    for part in cell if isinstance(cell, list) else unwrapped(text_of(cell)):
        # A comma inside of a URL is written %2C; names of files may hold one, but no two dots so.
        for name in re.split(r",\s*(?=(?:https?:)?//)|,\s+|\||\n", part):
            if name.strip():
                yield whole(name.strip())


GOOGLE_MERCHANT = Format("google_merchant", recognises, guess, GoogleForm)
