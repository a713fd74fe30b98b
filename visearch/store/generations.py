"""Published index generations: those refused by a worker, and the one to go back to."""

from __future__ import annotations

import time
from dataclasses import dataclass

import sqlalchemy as sa

from visearch.errors import Conflict
from visearch.records import Catalog
from visearch.store.reindexes import KEPT_UP
from visearch.store.schema import catalogs, generations, reindexes


def refuse(connection: sa.Connection, name: str) -> None:
    """Remember that a worker could not open a generation; the builder sees to it."""
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
    """Return those refused that something points at."""
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
    """Return the kept generation before the catalog's own that nobody refused.

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
        raise Conflict(f"catalog {catalog.name!r} has no former index generation to go back to")
    return name


def last_built(connection: sa.Connection, catalog: Catalog) -> int:
    """Return the revision of the catalog's newest generation of its encoder; 0 without one."""
    query = sa.select(sa.func.max(generations.c.revision)).where(
        generations.c.catalog_pk == catalog.pk,
        generations.c.fingerprint == catalog.fingerprint,
    )
    return connection.execute(query).scalar_one() or 0
