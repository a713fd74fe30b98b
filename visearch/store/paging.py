"""The first products by id among those with some keys, be they a few or most of a catalog."""

from __future__ import annotations

import numpy as np
import sqlalchemy as sa

from visearch.store.columns import Keys
from visearch.store.schema import products

FEW = 10_000
"""Up to so many are put in order at once; SQLite takes 32,766 values in one statement."""

FIRST_STEP = 1_000
LONGEST_STEP = 50_000
"""Products looked at together on a walk, at first and later."""


def first_by_id(
    connection: sa.Connection, catalog_pk: int, keys: Keys, after: str, limit: int
) -> list[int]:
    """Return those of ``keys``, ascending, whose products come first by id after ``after``.

    A walk through the ids soon meets enough of many keys, unless they lie close together far away:
    when it has taken as long as looking every key up does, that is done instead.
    """
    query = (
        sa.select(products.c.external_id, products.c.pk)
        .where(products.c.catalog_pk == catalog_pk)
        .order_by(products.c.external_id)
    )
    found: list[int] = []
    walked, step = 0, FIRST_STEP
    while len(keys) > FEW and len(found) < limit and walked < 2 * len(keys):
        rows = connection.execute(query.where(products.c.external_id > after).limit(step)).all()
        pks = np.array([row.pk for row in rows], keys.dtype)
        places = np.searchsorted(keys, pks).clip(max=len(keys) - 1)
        found.extend(pks[keys[places] == pks].tolist())
        if len(rows) < step:
            return found[:limit]
        after, walked, step = rows[-1].external_id, walked + step, min(2 * step, LONGEST_STEP)
    if len(found) < limit:
        later = query.where(products.c.external_id > after)
        found.extend(_looked_up(connection, later, keys.tolist(), limit - len(found)))
    return found[:limit]


def _looked_up(
    connection: sa.Connection, query: sa.Select[tuple[str, int]], keys: list[int], limit: int
) -> list[int]:
    """Return the first keys of ``query``; the database alone knows the order of its ids."""
    best: list[int] = []
    for at in range(0, len(keys), FEW):
        some = [*best, *keys[at : at + FEW]]
        rows = connection.execute(query.where(products.c.pk.in_(some)).limit(limit))
        best = [row.pk for row in rows]
    return best
