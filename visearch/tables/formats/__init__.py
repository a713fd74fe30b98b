"""The formats in which shops export their products, told apart by their headings."""

from __future__ import annotations

from collections.abc import Sequence

from visearch.tables.formats.form import Format
from visearch.tables.formats.google_merchant import GOOGLE_MERCHANT
from visearch.tables.formats.plain import PLAIN
from visearch.tables.formats.shopify import SHOPIFY
from visearch.tables.formats.vision import VISION
from visearch.tables.formats.woocommerce import WOOCOMMERCE

FORMATS: tuple[Format, ...] = (VISION, SHOPIFY, WOOCOMMERCE, GOOGLE_MERCHANT, PLAIN)
"""In the order in which they are tried; the last one takes what no other knows."""


def recognise(headings: Sequence[str]) -> Format:
    """Return the first format that knows these headings."""
    return next(each for each in FORMATS if each.recognises(headings))
