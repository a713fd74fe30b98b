"""Imports: one row each, its counters kept in the transactions that change the ledger."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from visearch.errors import NotFound
from visearch.ids import new_id
from visearch.records import ACTIVE, Catalog, Counts, Import
from visearch.store import catalogs as catalog_rows
from visearch.store.schema import catalogs, imports

_COUNTERS = ("fetched", "decoded", "embedded", "searchable", "failed")
_JOINED = sa.select(imports, catalogs.c.name.label("catalog")).join(
    catalogs, catalogs.c.pk == imports.c.catalog_pk
)


def _record(row: sa.Row[Any]) -> Import:
    finished = row.finished_at
    return Import(
        pk=row.pk,
        id=row.id,
        catalog=row.catalog,
        catalog_pk=row.catalog_pk,
        accepted=row.accepted,
        mode=row.mode,
        media=row.media,
        source=row.source,
        status=row.status,
        counts=Counts(items=row.items, **{name: getattr(row, name) for name in _COUNTERS}),
        error_code=row.error_code,
        error_detail=row.error_detail,
        request_id=row.request_id,
        attempt=row.attempt,
        created_at=datetime.fromtimestamp(row.created_at, UTC),
        finished_at=datetime.fromtimestamp(finished, UTC) if finished else None,
    )


def create(
    connection: sa.Connection,
    catalog: Catalog,
    *,
    import_id: str | None = None,
    mode: str,
    media: str,
    source: str,
    request_id: str,
) -> Import:
    """Accept an import: it is ``received`` and has its place in the order of writes."""
    accepted = catalog_rows.next_accepted(connection, catalog.pk)
    at = time.time()
    import_id = import_id or new_id()
    connection.execute(
        sa.insert(imports).values(
            id=import_id,
            catalog_pk=catalog.pk,
            accepted=accepted,
            mode=mode,
            media=media,
            source=source,
            status="received",
            planned=False,
            attempt=1,
            request_id=request_id,
            created_at=at,
            changed_at=at,
            **dict.fromkeys(_COUNTERS, 0),
        )
    )
    return by_id(connection, import_id)


def by_id(connection: sa.Connection, import_id: str) -> Import:
    """Return an import whatever its catalog; raises NotFound."""
    row = connection.execute(_JOINED.where(imports.c.id == import_id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no import {import_id!r}")
    return _record(row)


def get(connection: sa.Connection, catalog: Catalog, import_id: str) -> Import:
    """Return an import of this catalog; raises NotFound."""
    found = by_id(connection, import_id)
    if found.catalog_pk != catalog.pk:
        raise NotFound(f"catalog {catalog.name!r} has no import {import_id!r}")
    return found


def page(connection: sa.Connection, catalog: Catalog, before: str, limit: int) -> list[Import]:
    """Return up to ``limit`` imports, newest first, older than the id ``before``."""
    query = _JOINED.where(imports.c.catalog_pk == catalog.pk)
    if before:
        query = query.where(imports.c.id < before)
    return [
        _record(row) for row in connection.execute(query.order_by(imports.c.id.desc()).limit(limit))
    ]


def any_active(connection: sa.Connection, catalog_pk: int) -> bool:
    """Tell whether an import is changing the catalog."""
    query = sa.select(imports.c.pk).where(
        imports.c.catalog_pk == catalog_pk, imports.c.status.in_(ACTIVE)
    )
    return connection.execute(query.limit(1)).first() is not None


def lock(connection: sa.Connection, import_pk: int) -> sa.Row[Any]:
    """Return the import's row, locked until the commit."""
    return connection.execute(
        sa.select(imports).where(imports.c.pk == import_pk).with_for_update()
    ).one()


def count(connection: sa.Connection, import_pk: int, **changes: int) -> None:
    """Add to the counters named in ``changes``."""
    connection.execute(
        sa.update(imports)
        .where(imports.c.pk == import_pk)
        .values(
            changed_at=time.time(),
            **{name: imports.c[name] + delta for name, delta in changes.items()},
        )
    )


def end(
    connection: sa.Connection, import_pk: int, status: str, *, code: str = "", detail: str = ""
) -> bool:
    """Give an active import its terminal state; False if it already had one."""
    changed = connection.execute(
        sa.update(imports)
        .where(imports.c.pk == import_pk, imports.c.status.in_(ACTIVE))
        .values(
            status=status,
            error_code=code or None,
            error_detail=detail or None,
            finished_at=time.time(),
            changed_at=time.time(),
        )
    ).rowcount
    return changed == 1


def start(connection: sa.Connection, import_pk: int, n_items: int) -> None:
    """Mark an import as read to its end: it has ``n_items`` items and is running."""
    connection.execute(
        sa.update(imports)
        .where(imports.c.pk == import_pk, imports.c.status.in_(ACTIVE))
        .values(items=n_items, planned=True, status="running", changed_at=time.time())
    )


def touch(connection: sa.Connection, import_pk: int, attempt: int) -> None:
    """Note that planning still goes on, if it is still this attempt's."""
    connection.execute(
        sa.update(imports)
        .where(imports.c.pk == import_pk, imports.c.attempt == attempt)
        .values(changed_at=time.time())
    )
