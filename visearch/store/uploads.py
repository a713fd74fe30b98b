"""Uploads: files that were looked through and wait for their import, which may never come.

A file may be that of several imports. Its blob goes when neither an upload nor an import names it.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import NamedTuple

import sqlalchemy as sa

from visearch.records import Catalog
from visearch.store.schema import imports
from visearch.store.schema_imports import uploads


class Upload(NamedTuple):
    """A kept file: what kind of file it is, and the blob that holds it, "" once it is given up."""

    id: str
    catalog_pk: int
    media: str
    source: str
    created_at: float


def add(
    connection: sa.Connection, catalog: Catalog, upload_id: str, *, media: str, source: str
) -> Upload:
    """Keep a file for imports to come."""
    kept = Upload(upload_id, catalog.pk, media, source, time.time())
    connection.execute(sa.insert(uploads).values(**kept._asdict()))
    return kept


def find(connection: sa.Connection, catalog: Catalog, upload_id: str) -> Upload | None:
    """Return a file kept for this catalog, its row locked until the commit; None if unknown."""
    query = sa.select(*(uploads.c[name] for name in Upload._fields)).where(
        uploads.c.id == upload_id, uploads.c.catalog_pk == catalog.pk
    )
    row = connection.execute(query.with_for_update()).one_or_none()
    return None if row is None else Upload(*row)


def give_up(connection: sa.Connection, before: float, limit: int) -> list[str]:
    """Give up to ``limit`` files up that were kept before that time; returns their blobs."""
    some = (
        sa.select(uploads.c.id, uploads.c.source)
        .where(uploads.c.created_at < before, uploads.c.source != "")
        .limit(limit)
        .with_for_update()
    )
    found = {row.id: row.source for row in connection.execute(some)}
    connection.execute(sa.update(uploads).where(uploads.c.id.in_(found)).values(source=""))
    return list(found.values())


def forget(connection: sa.Connection, before: float) -> None:
    """Forget the files that were given up and kept before that time."""
    connection.execute(
        sa.delete(uploads).where(uploads.c.created_at < before, uploads.c.source == "")
    )


def discard(connection: sa.Connection, upload: Upload) -> None:
    """Forget a file that nobody can need."""
    connection.execute(sa.delete(uploads).where(uploads.c.id == upload.id))


def named(connection: sa.Connection, sources: Collection[str]) -> set[str]:
    """Return those of these blobs that an upload or an import names."""
    found: set[str] = set()
    for column in (uploads.c.source, imports.c.source):
        query = sa.select(column).where(column.in_(sources), column != "")
        found.update(connection.execute(query).scalars())
    return found
