"""The first products by id among those with some keys, be they a few or most of a catalog."""

from __future__ import annotations

from collections.abc import Callable
from itertools import compress

import numpy as np
import sqlalchemy as sa

from visearch.store.columns import Keys
from visearch.store.schema import products

FEW = 10_000
"""Up to so many are put in order; SQLite takes 32,766 values in one statement."""

MARKS = 1 << 24
"""Bytes, at most, that mark the products looked for."""

_MARKED: dict[str, Callable[[sa.ColumnElement[bytes], int], sa.ColumnElement[bool]]] = {
    "sqlite": lambda marks, size: sa.func.substr(marks, products.c.pk % size + 1, 1) == b"\1",
    "postgresql": lambda marks, size: (
        sa.func.get_byte(marks, sa.cast(products.c.pk % size, sa.Integer)) == 1
    ),
}


def first_by_id(
    connection: sa.Connection, catalog_pk: int, keys: Keys, after: str, limit: int
) -> list[int]:
    """Return those of ``keys``, ascending, whose products come first by id after ``after``.

    Among many, the database looks for them on a walk through the ids: the bytes that mark them
    go with the question.
    """
    query = (
        sa.select(products.c.external_id, products.c.pk)
        .where(products.c.catalog_pk == catalog_pk)
        .order_by(products.c.external_id)
        .limit(limit)
    )
    if len(keys) <= FEW:
        few = query.where(products.c.pk.in_(keys.tolist()), products.c.external_id > after)
        return [row.pk for row in connection.execute(few)]
    size = min(int(keys[-1] - keys[0]) + 1, MARKS)
    marks = np.zeros(size, np.uint8)
    marks[keys % size] = 1
    query = query.where(_MARKED[connection.dialect.name](sa.literal(marks.tobytes()), size))
    found: list[int] = []
    while True:
        rows = connection.execute(query.where(products.c.external_id > after)).all()
        # A mark may be that of several products.
        right = np.isin([row.pk for row in rows], keys)
        found.extend(row.pk for row in compress(rows, right))
        if len(rows) < limit or len(found) >= limit:
            return found[:limit]
        after = rows[-1].external_id
