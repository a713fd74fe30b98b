"""Embeddings by encoder: which pictures lack one, where each is stored, and why some have none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import sqlalchemy as sa

from visearch.errors import VisearchError
from visearch.records import Catalog
from visearch.store.database import insert_new
from visearch.store.schema import embeddings, images, products


class Missing(NamedTuple):
    """A picture without an embedding: its key, and the digest of its bytes."""

    pk: int
    sha256: str


class Failed(NamedTuple):
    """A live picture of which an encoder has no vector, and why."""

    pk: int
    image_id: str
    product_id: str
    code: str
    detail: str


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


def failed(catalog_pk: int, fingerprint: str) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions, on both tables, of a live picture noted without a vector."""
    return (
        embeddings.c.fingerprint == fingerprint,
        embeddings.c.segment.is_(None),
        images.c.pk == embeddings.c.image_pk,
        images.c.catalog_pk == catalog_pk,
        images.c.removed.is_(None),
    )


def failures(
    connection: sa.Connection, catalog_pk: int, fingerprint: str, *, after: int = -1, limit: int
) -> list[Failed]:
    """Return live pictures noted without a vector, oldest first, after the key ``after``."""
    query = (
        sa.select(
            images.c.pk,
            images.c.id,
            products.c.external_id,
            embeddings.c.code,
            embeddings.c.detail,
        )
        .join(products, products.c.pk == images.c.product_pk)
        .join(embeddings, embeddings.c.image_pk == images.c.pk)
        .where(*failed(catalog_pk, fingerprint), images.c.pk > after)
    )
    found = connection.execute(query.order_by(images.c.pk).limit(limit))
    return [Failed(*row) for row in found]


def note(
    connection: sa.Connection, fingerprint: str, segment: str, rows: Mapping[int, int]
) -> None:
    """Note embeddings: picture → its row of the segment."""
    _note(connection, fingerprint, {pk: {"segment": segment, "row": rows[pk]} for pk in rows})


def note_failed(
    connection: sa.Connection, fingerprint: str, reasons: Mapping[int, VisearchError]
) -> None:
    """Note pictures of which the encoder has no vector, each with its reason."""
    values = {pk: {"code": why.code, "detail": why.detail} for pk, why in reasons.items()}
    _note(connection, fingerprint, values)


def _note(
    connection: sa.Connection, fingerprint: str, values: Mapping[int, Mapping[str, object]]
) -> None:
    known = connection.execute(sa.select(images.c.pk).where(images.c.pk.in_(values))).scalars()
    insert_new(
        connection,
        embeddings,
        # Without those that were purged meanwhile.
        [{"image_pk": key, "fingerprint": fingerprint, **values[key]} for key in known],
    )


def forget_failed(connection: sa.Connection, catalog_pk: int, fingerprint: str) -> None:
    """Forget which pictures an encoder has no vector of: they are tried again."""
    mine = sa.select(images.c.pk).where(images.c.catalog_pk == catalog_pk)
    connection.execute(
        sa.delete(embeddings).where(
            embeddings.c.fingerprint == fingerprint,
            embeddings.c.segment.is_(None),
            embeddings.c.image_pk.in_(mine),
        )
    )


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
