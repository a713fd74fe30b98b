"""The blobs that the rows name: what a copy of the database needs beside it."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from visearch.records import ACTIVE
from visearch.store.imports import PRODUCTS
from visearch.store.schema import catalogs, embeddings, generations, images, import_items, imports

_ROWS = 10_000


def digests(connection: sa.Connection) -> Iterator[str]:
    """Yield ``folder/<sha256>`` of each picture, thumbnail and segment that can be found.

    And of what an import that goes on has of its pictures: a product that comes again may use those
    that were removed with it.
    """
    live = (images.c.removed.is_(None), catalogs.c.deleted_at.is_(None))
    mine = catalogs.c.pk == images.c.catalog_pk
    segments = (
        sa.select(embeddings.c.segment)
        .join(images, images.c.pk == embeddings.c.image_pk)
        .join(catalogs, mine)
        .where(*live, embeddings.c.segment.is_not(None))
    )
    stored = sa.select(images.c.sha256).join(catalogs, mine).where(*live)
    thumbnails = sa.select(images.c.thumbnail).join(catalogs, mine).where(*live)
    coming = (
        sa.select(blob := import_items.c.locator["blob"].as_string())
        .join(imports, imports.c.pk == import_items.c.import_pk)
        .where(imports.c.status.in_(ACTIVE), imports.c.media == PRODUCTS, blob.is_not(None))
    )
    decoded = (
        sa.select(import_items.c.sha256, import_items.c.thumbnail)
        .join(imports, imports.c.pk == import_items.c.import_pk)
        .where(imports.c.status.in_(ACTIVE), import_items.c.sha256.is_not(None))
    ).subquery()
    small = sa.select(decoded.c.thumbnail).where(decoded.c.thumbnail.is_not(None))
    for folder, query in (
        ("segments", segments.distinct()),
        ("pictures", stored.union(coming, sa.select(decoded.c.sha256))),
        ("thumbnails", thumbnails.union(small)),
    ):
        found = connection.execute(query.execution_options(yield_per=_ROWS))
        yield from (f"{folder}/{digest}" for digest in found.scalars())


def some(connection: sa.Connection, limit: int) -> list[str]:
    """Return some live pictures, and segments, that can be found: up to ``limit`` of each."""
    live = (images.c.removed.is_(None), catalogs.c.deleted_at.is_(None))
    mine = catalogs.c.pk == images.c.catalog_pk
    pictures = sa.select(images.c.sha256).join(catalogs, mine).where(*live)
    segments = sa.select(embeddings.c.segment).where(embeddings.c.segment.is_not(None))
    found = [f"pictures/{each}" for each in connection.execute(pictures.limit(limit)).scalars()]
    stored = set(connection.execute(segments.limit(limit)).scalars())
    return [*found, *(f"segments/{each}" for each in stored)]


def generation_shards(connection: sa.Connection, format: int) -> dict[str, int]:
    """Return the published generations of a layout, and into how many shards each is cut."""
    query = (
        sa.select(generations.c.id, catalogs.c.shards)
        .join(catalogs, catalogs.c.pk == generations.c.catalog_pk)
        .where(catalogs.c.deleted_at.is_(None), generations.c.format == format)
    )
    return {row.id: row.shards for row in connection.execute(query)}


def uploads(connection: sa.Connection) -> list[str]:
    """Return the uploaded files of the imports that go on."""
    query = sa.select(imports.c.source).where(imports.c.status.in_(ACTIVE), imports.c.source != "")
    return list(connection.execute(query).scalars())
