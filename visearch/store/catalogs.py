"""Catalogs: rows, revisions and acceptance numbers."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from visearch.errors import Conflict, InvalidRequest, NotFound
from visearch.fields import CATALOG_NAME
from visearch.records import TARGET_RECALL, Catalog
from visearch.store.schema import catalogs
from visearch.store.schema_ranking import rankings

NAME = re.compile(CATALOG_NAME)
_LIVE = catalogs.c.deleted_at.is_(None)
_RANKED = sa.select(catalogs, rankings.c.weights).outerjoin(
    rankings,
    (rankings.c.catalog_pk == catalogs.c.pk) & (rankings.c.fingerprint == catalogs.c.fingerprint),
)
_NAMED = _RANKED.where(catalogs.c.name == sa.bindparam("name"), _LIVE)


def _record(row: sa.Row[Any]) -> Catalog:
    return Catalog(
        pk=row.pk,
        name=row.name,
        title=row.title,
        metric=row.metric,
        encoder=row.encoder,
        fingerprint=row.fingerprint,
        dimension=row.dimension,
        revision=row.revision,
        generation=row.generation,
        target_recall=row.target_recall,
        shards=row.shards,
        created_at=datetime.fromtimestamp(row.created_at, UTC),
        weights=row.weights,
    )


def check_name(name: str) -> str:
    """Return ``name`` if it may name a catalog; raises InvalidRequest."""
    if not NAME.fullmatch(name):
        detail = (
            f"The catalog name {name!r} is not allowed. Use 1 to 63 of a-z, 0-9, '-' and '_', "
            "starting with a letter or digit."
        )
        raise InvalidRequest(detail, (("catalog", detail),))
    return name


def get(connection: sa.Connection, name: str) -> Catalog:
    """Return the live catalog called ``name``; raises NotFound."""
    row = connection.execute(_NAMED, {"name": name}).one_or_none()
    if row is None:
        raise NotFound(f"There is no catalog {name!r}. GET /v1/catalogs lists the catalogs.")
    return _record(row)


def page(connection: sa.Connection, after: str, limit: int) -> list[Catalog]:
    """Return up to ``limit`` live catalogs whose name sorts after ``after``."""
    query = _RANKED.where(_LIVE, catalogs.c.name > after)
    return [
        _record(row) for row in connection.execute(query.order_by(catalogs.c.name).limit(limit))
    ]


def everything(connection: sa.Connection) -> list[Catalog]:
    """Return all live catalogs by name."""
    query = _RANKED.where(_LIVE).order_by(catalogs.c.name)
    return [_record(row) for row in connection.execute(query)]


def create(
    connection: sa.Connection,
    name: str,
    *,
    title: str,
    metric: str,
    encoder: str,
    fingerprint: str,
    dimension: int,
    target_recall: float = TARGET_RECALL,
    shards: int = 1,
) -> Catalog:
    """Insert a catalog; raises InvalidRequest for a bad name."""
    connection.execute(
        sa.insert(catalogs).values(
            name=check_name(name),
            title=title,
            metric=metric,
            encoder=encoder,
            fingerprint=fingerprint,
            dimension=dimension,
            target_recall=target_recall,
            shards=shards,
            revision=0,
            accepted=0,
            replaced=0,
            created_at=time.time(),
        )
    )
    return get(connection, name)


def update(connection: sa.Connection, catalog: Catalog, **changes: str | float) -> None:
    """Change ``title`` or ``target_recall``, the parts of a catalog that may change in place."""
    connection.execute(sa.update(catalogs).where(catalogs.c.pk == catalog.pk).values(**changes))


def delete(connection: sa.Connection, catalog: Catalog) -> None:
    """Hide a catalog at once; its rows and blobs are purged later."""
    connection.execute(
        sa.update(catalogs).where(catalogs.c.pk == catalog.pk).values(deleted_at=time.time())
    )


def deleted_before(connection: sa.Connection, before: float) -> list[int]:
    """Return the keys of the catalogs that were deleted before that time."""
    query = sa.select(catalogs.c.pk).where(catalogs.c.deleted_at < before)
    return list(connection.execute(query).scalars())


def forget(connection: sa.Connection, catalog_pks: Sequence[int]) -> None:
    """Delete the rows of catalogs, and whatever is still theirs."""
    connection.execute(sa.delete(catalogs).where(catalogs.c.pk.in_(catalog_pks)))


def lock(connection: sa.Connection, catalog_pk: int) -> None:
    """Hold the catalog's row lock until the end of the transaction."""
    query = sa.select(catalogs.c.pk).where(catalogs.c.pk == catalog_pk).with_for_update()
    connection.execute(query)


def lock_live(connection: sa.Connection, catalog_pk: int) -> None:
    """Hold the catalog's row lock until the end of the transaction.

    Raises:
        NotFound: the catalog was deleted.
    """
    mine = (catalogs.c.pk == catalog_pk, _LIVE)
    if connection.execute(sa.select(catalogs.c.pk).where(*mine).with_for_update()).first() is None:
        raise NotFound("The catalog was deleted.")


def locked(connection: sa.Connection, catalog_pk: int) -> Catalog:
    """Hold the catalog's row lock until the end of the transaction; returns it as it is then.

    Raises:
        NotFound: the catalog was deleted.
    """
    lock_live(connection, catalog_pk)
    return _record(connection.execute(_RANKED.where(catalogs.c.pk == catalog_pk)).one())


def next_revision(connection: sa.Connection, catalog_pk: int) -> int:
    """Number this commit, and hold the catalog's row lock until its end.

    Raises:
        NotFound: the catalog was deleted meanwhile.
    """
    return _increment(connection, catalog_pk, catalogs.c.revision)


def next_accepted(connection: sa.Connection, catalog_pk: int) -> int:
    """Number an accepted write; later numbers win over earlier ones."""
    return _increment(connection, catalog_pk, catalogs.c.accepted)


def note_replaced(connection: sa.Connection, catalog_pk: int, version: int) -> None:
    """Note that the write numbered ``version`` replaced the whole catalog."""
    connection.execute(
        sa.update(catalogs)
        .where(catalogs.c.pk == catalog_pk, catalogs.c.replaced < version)
        .values(replaced=version)
    )


def replaced(connection: sa.Connection, catalog_pk: int) -> int:
    """Return the number of the last write that replaced the whole catalog; 0 for none."""
    query = sa.select(catalogs.c.replaced).where(catalogs.c.pk == catalog_pk)
    return int(connection.execute(query).scalar_one())


def _increment(connection: sa.Connection, catalog_pk: int, column: sa.Column[int]) -> int:
    value = connection.execute(
        sa.update(catalogs)
        .where(catalogs.c.pk == catalog_pk, _LIVE)
        .values({column: column + 1})
        .returning(column)
    ).scalar_one_or_none()
    if value is None:
        raise NotFound("The catalog was deleted.")
    return int(value)


def publish_generation(connection: sa.Connection, catalog: Catalog, name: str) -> None:
    """Point the catalog at another generation, if its encoder and its pointer are unchanged.

    Raises:
        Conflict: someone else published first.
    """
    changed = connection.execute(
        sa.update(catalogs)
        .where(
            catalogs.c.pk == catalog.pk,
            _LIVE,
            catalogs.c.fingerprint == catalog.fingerprint,
            catalogs.c.generation.is_not_distinct_from(catalog.generation),
        )
        .values(generation=name)
    ).rowcount
    if changed != 1:
        raise Conflict("Another index generation was published first.")
