"""Damage: embeddings that were lost with their segment, until they are made again."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import sqlalchemy as sa

from visearch.store.database import insert_new
from visearch.store.schema import catalogs, embeddings, images, lost_embeddings


class LostPicture(NamedTuple):
    """A live picture without its embedding: its key, the digest of its bytes, its catalog."""

    pk: int
    sha256: str
    catalog: str


class Damaged(NamedTuple):
    """A damaged segment; ``failed`` of its ``pictures`` cannot be embedded again."""

    segment: str
    found_at: datetime
    pictures: int
    failed: int


def note(connection: sa.Connection, segment: str) -> int:
    """Take a segment's embeddings out of use; returns how many pictures there were."""
    mine = embeddings.c.segment == segment
    found = connection.execute(
        sa.select(embeddings.c.image_pk, embeddings.c.fingerprint).where(mine)
    ).all()
    common = {"segment": segment, "found_at": time.time()}
    insert_new(connection, lost_embeddings, [dict(row._mapping) | common for row in found])
    connection.execute(sa.delete(embeddings).where(mine))
    return len(found)


def waiting(
    connection: sa.Connection, limit: int, without: Collection[str] = ()
) -> list[LostPicture]:
    """Return up to ``limit`` pictures to embed again with their catalog's own encoder.

    None of the catalogs named in ``without``.
    """
    query = (
        sa.select(images.c.pk, images.c.sha256, catalogs.c.name)
        .select_from(lost_embeddings)
        .join(images, images.c.pk == lost_embeddings.c.image_pk)
        .join(catalogs, catalogs.c.pk == images.c.catalog_pk)
        .where(
            lost_embeddings.c.detail.is_(None),
            lost_embeddings.c.fingerprint == catalogs.c.fingerprint,
            images.c.removed.is_(None),
            catalogs.c.deleted_at.is_(None),
            catalogs.c.name.not_in(without),
        )
        .order_by(catalogs.c.name, images.c.pk)
        .limit(limit)
    )
    return [LostPicture(*row) for row in connection.execute(query)]


def fail(connection: sa.Connection, reasons: Mapping[int, str]) -> None:
    """Note why these pictures cannot be embedded again."""
    for pk, reason in reasons.items():
        connection.execute(
            sa.update(lost_embeddings).where(lost_embeddings.c.image_pk == pk).values(detail=reason)
        )


def mended(
    connection: sa.Connection, fingerprint: str, pks: Collection[int], revision: int
) -> None:
    """Note that these pictures have their embedding again: they are new at ``revision``."""
    connection.execute(
        sa.update(images)
        .where(images.c.pk.in_(pks), images.c.removed.is_(None))
        .values(added=revision)
    )
    connection.execute(
        sa.delete(lost_embeddings).where(
            lost_embeddings.c.image_pk.in_(pks), lost_embeddings.c.fingerprint == fingerprint
        )
    )


def forget_useless(connection: sa.Connection) -> None:
    """Forget what nobody needs again: of removed pictures, and of other encoders.

    What another encoder lacks is made by its reindex, like whatever else it lacks.
    """
    needed = (
        sa.exists()
        .where(images.c.pk == lost_embeddings.c.image_pk, images.c.removed.is_(None))
        .where(catalogs.c.pk == images.c.catalog_pk)
        .where(catalogs.c.fingerprint == lost_embeddings.c.fingerprint)
        .where(catalogs.c.deleted_at.is_(None))
    )
    connection.execute(sa.delete(lost_embeddings).where(~needed))


def segments(connection: sa.Connection) -> list[Damaged]:
    """Return the segments of which something is still lost, oldest first."""
    first = sa.func.min(lost_embeddings.c.found_at)
    query = (
        sa.select(
            lost_embeddings.c.segment,
            first,
            sa.func.count(),
            sa.func.count(lost_embeddings.c.detail),
        )
        .group_by(lost_embeddings.c.segment)
        .order_by(first)
        .limit(100)
    )
    return [
        Damaged(segment, datetime.fromtimestamp(found_at, UTC), pictures, failed)
        for segment, found_at, pictures, failed in connection.execute(query)
    ]
