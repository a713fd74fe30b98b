"""Looking for products by a part of their id or title: one more column beside the attributes'.

It is written and read by blocks as those are (``attributes.py``): a few hundred rows for a million
products, and the same on both databases.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

import numpy as np
import sqlalchemy as sa

from visearch.store import attributes
from visearch.store.columns import BLOCK, Keys

TEXTS = "texts"
"""The name of the column; no attribute's column has it."""

_LONGEST_TITLE = 200
"""Characters of a title that are looked at; the rest of a longer one is said in the others."""


def text_of(product_id: str, title: str | None) -> str:
    """Return what a product is looked for in: its id and its title."""
    return f"{_folded(product_id)}\n{_folded((title or '')[:_LONGEST_TITLE])}"


def write(connection: sa.Connection, catalog_pk: int, texts: Mapping[int, str]) -> None:
    """Take over what products are looked for in, by the product's key."""
    attributes.rewrite(connection, catalog_pk, TEXTS, texts)


def keys(connection: sa.Connection, catalog_pk: int, wanted: str) -> Keys:
    """Return the keys, ascending, of the products whose id or title has all words wanted.

    A word may be a part of one; case and accents do not matter.
    """
    words = _folded(wanted).split()
    found = [np.empty(0, np.int64)]
    for block, column in attributes.blocks(connection, catalog_pk, TEXTS):
        passes = [
            isinstance(text, str) and all(word in text for word in words) for text in column.others
        ]
        found.append(block * BLOCK + np.flatnonzero(column.having(None, passes)))
    return np.concatenate(found)


def _folded(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
