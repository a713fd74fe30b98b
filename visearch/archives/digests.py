"""Digests of what a file says of a product, by which a later file is compared with it."""

from __future__ import annotations

import hashlib
import json

from visearch.records import PlannedItem
from visearch.tables.row import Row

LENGTH = 32
"""Hexadecimal digits: 128 bits."""


def digest_of(row: Row, items: tuple[PlannedItem, ...]) -> str:
    """Return a digest of a row and of its pictures' URLs, in their order.

    "" if something of it cannot be used, or if a picture is not named by URL: where it lies in an
    archive does not tell whether it has changed.
    """
    urls = [str(item.locator.get("url", "")) for item in items if not item.code]
    if len(urls) < len(items) or not all(urls):
        return ""
    said = [row.title, row.url, row.description, row.attributes, urls]
    text = json.dumps(said, sort_keys=True)  # in ASCII, so halves of surrogate pairs do no harm
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]
