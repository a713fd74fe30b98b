"""Pictures of different products that look the same: the pairs, and pages of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from visearch.contract import thumbnail_path
from visearch.records import Catalog
from visearch.searches import Hit
from visearch.store.database import insert_new
from visearch.store.schema import catalogs, duplicates, images, products

Pair = tuple[int, int, float]
"""The keys of two pictures, the lower one first, and their score."""

LEAST_SCORE = 0.9
"""Least cosine of a pair that is kept; a list may ask for a higher one."""


@dataclass(frozen=True, kw_only=True)
class Duplicate:
    """Two pictures of different products, as hits of each other."""

    score: float
    hits: tuple[Hit, Hit]
    key: str


def compared(connection: sa.Connection, catalog: Catalog) -> int:
    """Return the revision up to which the catalog's pictures have been compared."""
    query = sa.select(catalogs.c.compared).where(catalogs.c.pk == catalog.pk)
    return int(connection.execute(query).scalar_one())


def note(connection: sa.Connection, catalog: Catalog, pairs: Sequence[Pair], revision: int) -> None:
    """Store the pairs whose pictures still exist; all up to ``revision`` is now compared."""
    keys = {key for first, second, _ in pairs for key in (first, second)}
    query = sa.select(images.c.pk, images.c.product_pk).where(
        images.c.pk.in_(keys), images.c.removed.is_(None)
    )
    owner = {row.pk: row.product_pk for row in connection.execute(query)}
    rows = [
        {"catalog_pk": catalog.pk, "first": first, "second": second, "score": score}
        for first, second, score in pairs
        if first in owner and second in owner and owner[first] != owner[second]
    ]
    insert_new(connection, duplicates, rows)
    connection.execute(
        sa.update(catalogs).where(catalogs.c.pk == catalog.pk).values(compared=revision)
    )


def page(
    connection: sa.Connection, catalog: Catalog, least: float, after: str, limit: int
) -> list[Duplicate]:
    """Return up to ``limit`` pairs with a score of at least ``least``, best first.

    ``after`` is the ``key`` of the last pair of the page before, or empty.
    """
    first, second = images.alias("first"), images.alias("second")
    one, other = products.alias("one"), products.alias("other")
    query = (
        sa.select(
            duplicates.c.score,
            duplicates.c.first,
            duplicates.c.second,
            *_columns("one", first, one),
            *_columns("other", second, other),
        )
        .join(first, first.c.pk == duplicates.c.first)
        .join(second, second.c.pk == duplicates.c.second)
        .join(one, one.c.pk == first.c.product_pk)
        .join(other, other.c.pk == second.c.product_pk)
        .where(duplicates.c.catalog_pk == catalog.pk, duplicates.c.score >= least)
        .where(first.c.removed.is_(None), second.c.removed.is_(None))
        .order_by(duplicates.c.score.desc(), duplicates.c.first, duplicates.c.second)
        .limit(limit)
    )
    if after:
        query = query.where(_beyond(after))
    return [_duplicate(row._mapping) for row in connection.execute(query)]


def _columns(
    side: str, image: sa.FromClause, product: sa.FromClause
) -> list[sa.ColumnElement[Any]]:
    chosen = {
        "image_id": image.c.id,
        "thumbnail": image.c.thumbnail,
        "product_id": product.c.external_id,
        "title": product.c.title,
        "url": product.c.url,
        "attributes": product.c.attributes,
    }
    return [column.label(f"{side}_{name}") for name, column in chosen.items()]


def _beyond(after: str) -> sa.ColumnElement[bool]:
    score, first, second = after.split(",")
    table = duplicates.c
    return sa.or_(
        table.score < float(score),
        sa.and_(
            table.score == float(score),
            sa.tuple_(table.first, table.second) > sa.tuple_(int(first), int(second)),
        ),
    )


def _duplicate(row: Any) -> Duplicate:
    names = ("image_id", "product_id", "title", "url", "attributes")
    one, other = (
        Hit(
            rank=0,
            score=row["score"],
            image_url=thumbnail_path(row[f"{side}_thumbnail"]),
            **{name: row[f"{side}_{name}"] for name in names},
        )
        for side in ("one", "other")
    )
    key = f"{row['score']!r},{row['first']},{row['second']}"
    return Duplicate(score=row["score"], hits=(one, other), key=key)
