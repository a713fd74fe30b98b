"""Published index generations: one row each; those refused, the one to go back to, the oldest."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from visearch.errors import Conflict
from visearch.records import Catalog
from visearch.store.reindexes import KEPT_UP
from visearch.store.schema import catalogs, generations, reindexes


@dataclass(frozen=True, kw_only=True)
class Published:
    """An index generation as its builder published it.

    It holds the ``count`` pictures that were live at ``revision``. ``recall`` is recall@10 as
    measured then, ``format`` the layout of its files; ``refused`` tells whether a worker could
    not open it.
    """

    id: str
    revision: int
    count: int
    recall: float | None
    target_recall: float
    format: int
    created_at: datetime
    refused: bool


def add(
    connection: sa.Connection,
    catalog: Catalog,
    *,
    name: str,
    count: int,
    recall: float,
    format: int,
) -> None:
    """Note a generation that was built of the catalog at its revision, for its encoder."""
    connection.execute(
        sa.insert(generations).values(
            id=name,
            catalog_pk=catalog.pk,
            revision=catalog.revision,
            fingerprint=catalog.fingerprint,
            count=count,
            recall=recall,
            target_recall=catalog.target_recall,
            format=format,
            created_at=time.time(),
        )
    )


def current(connection: sa.Connection, catalog: Catalog) -> Published | None:
    """Return the generation that the catalog points at; None without one."""
    query = sa.select(generations).where(generations.c.id == catalog.generation)
    row = connection.execute(query).one_or_none()
    return None if row is None else _record(row)


def of(connection: sa.Connection, catalog: Catalog) -> list[Published]:
    """Return the catalog's generations, of whatever encoder, newest first."""
    query = sa.select(generations).where(generations.c.catalog_pk == catalog.pk)
    rows = connection.execute(query.order_by(generations.c.id.desc()))
    return [_record(row) for row in rows]


def names(connection: sa.Connection) -> set[str]:
    """Return the ids of all generations."""
    return set(connection.execute(sa.select(generations.c.id)).scalars())


def of_catalogs_deleted(connection: sa.Connection, before: float) -> list[str]:
    """Return the ids of generations whose catalog was deleted before that time."""
    query = (
        sa.select(generations.c.id)
        .join(catalogs, catalogs.c.pk == generations.c.catalog_pk)
        .where(catalogs.c.deleted_at < before)
    )
    return list(connection.execute(query).scalars())


def forget(connection: sa.Connection, name: str) -> None:
    """Delete the row of a generation."""
    connection.execute(sa.delete(generations).where(generations.c.id == name))


def _record(row: sa.Row[Any]) -> Published:
    return Published(
        id=row.id,
        revision=row.revision,
        count=row._mapping[generations.c.count],  # a row has a method of that name
        recall=row.recall,
        target_recall=row.target_recall,
        format=row.format,
        created_at=datetime.fromtimestamp(row.created_at, UTC),
        refused=row.refused_at is not None,
    )


def refuse(connection: sa.Connection, name: str) -> None:
    """Note that a worker could not open a generation; the builder looks into it."""
    _set_refused(connection, name, time.time())


def acquit(connection: sa.Connection, name: str) -> None:
    """Forget that a generation was refused: it is sound."""
    _set_refused(connection, name, None)


def _set_refused(connection: sa.Connection, name: str, at: float | None) -> None:
    query = sa.update(generations).where(generations.c.id == name)
    connection.execute(query.values(refused_at=at))


@dataclass(frozen=True)
class Suspect:
    """A generation that was refused: its id, its encoder's fingerprint, its number of shards."""

    id: str
    fingerprint: str
    shards: int


def suspects(connection: sa.Connection) -> list[Suspect]:
    """Return the refused generations that a catalog or a reindex points at."""
    pointers = sa.union_all(
        sa.select(catalogs.c.generation).where(catalogs.c.deleted_at.is_(None)),
        sa.select(reindexes.c.generation).where(reindexes.c.status.in_(KEPT_UP)),
    ).subquery()
    query = (
        sa.select(generations.c.id, generations.c.fingerprint, catalogs.c.shards)
        .join(catalogs, catalogs.c.pk == generations.c.catalog_pk)
        .where(
            generations.c.refused_at.is_not(None),
            generations.c.id.in_(sa.select(pointers.c.generation)),
        )
    )
    return [Suspect(row.id, row.fingerprint, row.shards) for row in connection.execute(query)]


def former(connection: sa.Connection, catalog: Catalog) -> str:
    """Return the newest kept generation before the catalog's own that nobody refused.

    Raises:
        Conflict: there is none.
    """
    query = sa.select(sa.func.max(generations.c.id)).where(
        generations.c.catalog_pk == catalog.pk,
        generations.c.fingerprint == catalog.fingerprint,
        generations.c.id < (catalog.generation or ""),
        generations.c.refused_at.is_(None),
    )
    name: str | None = connection.execute(query).scalar_one()
    if name is None:
        raise Conflict(f"Catalog {catalog.name!r} has no former index generation to go back to.")
    return name


def last_built(connection: sa.Connection, catalog: Catalog) -> int:
    """Return the revision of the catalog's newest generation of its encoder; 0 without one."""
    query = sa.select(sa.func.max(generations.c.revision)).where(
        generations.c.catalog_pk == catalog.pk,
        generations.c.fingerprint == catalog.fingerprint,
    )
    return connection.execute(query).scalar_one() or 0
