"""Embeddings by encoder: which pictures lack one, and in which segment each is stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import sqlalchemy as sa

from visearch.records import Catalog
from visearch.store.database import insert_new
from visearch.store.schema import embeddings, images


class Missing(NamedTuple):
    """A picture without an embedding: its key, and the digest of its bytes."""

    pk: int
    sha256: str


def lacking(catalog_pk: int, fingerprint: str) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions of a live picture that the encoder has not embedded yet."""
    has = sa.exists().where(
        embeddings.c.image_pk == images.c.pk, embeddings.c.fingerprint == fingerprint
    )
    return (images.c.catalog_pk == catalog_pk, images.c.removed.is_(None), ~has)


def missing(
    connection: sa.Connection, catalog_pk: int, fingerprint: str, limit: int
) -> list[Missing]:
    """Return up to ``limit`` live pictures without an embedding, oldest first."""
    query = sa.select(images.c.pk, images.c.sha256).where(*lacking(catalog_pk, fingerprint))
    found = connection.execute(query.order_by(images.c.pk).limit(limit))
    return [Missing(*row) for row in found]


def note(
    connection: sa.Connection,
    fingerprint: str,
    segment: str,
    rows: Mapping[int, int | None],
) -> None:
    """Note embeddings: picture → its row of the segment; None where the encoder gave none."""
    known = connection.execute(sa.select(images.c.pk).where(images.c.pk.in_(rows))).scalars()
    values = [
        {
            "image_pk": key,
            "fingerprint": fingerprint,
            "segment": None if rows[key] is None else segment,
            "row": rows[key],
        }
        for key in known  # without those that were purged meanwhile
    ]
    insert_new(connection, embeddings, values)


def forget_unused(
    connection: sa.Connection, catalog: Catalog, used: Collection[str], limit: int
) -> int:
    """Delete embeddings of encoders other than the catalog's own and the ``used`` ones.

    Returns how many were deleted, at most ``limit``.
    """
    mine = sa.select(images.c.pk).where(images.c.catalog_pk == catalog.pk)
    key = (embeddings.c.image_pk, embeddings.c.fingerprint)
    some = sa.select(*key).where(
        embeddings.c.image_pk.in_(mine),
        embeddings.c.fingerprint.not_in({catalog.fingerprint, *used}),
    )
    gone = sa.delete(embeddings).where(sa.tuple_(*key).in_(some.limit(limit)))
    return connection.execute(gone).rowcount


def segments(connection: sa.Connection) -> set[str]:
    """Return the names of all segments in which an embedding is stored."""
    found = connection.execute(sa.select(embeddings.c.segment).distinct()).scalars()
    return {name for name in found if name is not None}
