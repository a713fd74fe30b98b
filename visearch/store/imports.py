"""Imports and their ledger: one row per item, counters kept in the same transactions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from visearch.errors import NotFound
from visearch.ids import new_id
from visearch.records import ACTIVE, Catalog, Counts, Import, ImportItem, PlannedItem
from visearch.store import catalogs as catalog_rows
from visearch.store.schema import catalogs, import_items, imports

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


def planned_items(connection: sa.Connection, import_pk: int) -> int:
    """Count the ledger rows written so far."""
    query = sa.select(sa.func.count()).where(import_items.c.import_pk == import_pk)
    return connection.execute(query).scalar_one()


def add_items(
    connection: sa.Connection,
    import_pk: int,
    first: int,
    planned: Sequence[tuple[int, PlannedItem]],
) -> None:
    """Append ``(chunk, item)`` pairs to the ledger, numbered from ``first``."""
    rows = [
        {
            "import_pk": import_pk,
            "item": first + i,
            "chunk": chunk,
            "path": item.path,
            "product_id": item.product_id,
            "position": item.position,
            "title": item.title,
            "url": item.url,
            "attributes": item.attributes,
            "locator": item.locator,
            "stage": "fetch",
            "status": "failed" if item.code else "pending",
            "code": item.code,
            "detail": item.detail,
            "attempts": 1 if item.code else 0,
        }
        for i, (chunk, item) in enumerate(planned)
    ]
    connection.execute(sa.insert(import_items), rows)


def chunk_items(
    connection: sa.Connection, import_pk: int, chunk: int, status: str = "pending"
) -> list[sa.Row[Any]]:
    """Return the ledger rows of a chunk that have this status, in file order."""
    query = (
        sa.select(import_items)
        .where(
            import_items.c.import_pk == import_pk,
            import_items.c.chunk == chunk,
            import_items.c.status == status,
        )
        .order_by(import_items.c.item)
    )
    return list(connection.execute(query))


def update_items(
    connection: sa.Connection, import_pk: int, changes: Iterable[Mapping[str, Any]]
) -> None:
    """Apply column changes to ledger rows; each mapping names its ``item``."""
    groups: dict[frozenset[str], list[dict[str, Any]]] = {}
    for change in changes:
        bound = {f"set_{k}": v for k, v in change.items() if k != "item"}
        groups.setdefault(frozenset(bound), []).append({**bound, "at_item": change["item"]})
    for names, rows in groups.items():
        connection.execute(
            sa.update(import_items)
            .where(
                import_items.c.import_pk == import_pk,
                import_items.c.item == sa.bindparam("at_item"),
            )
            .values({name.removeprefix("set_"): sa.bindparam(name) for name in names}),
            rows,
        )


def fail_pending(connection: sa.Connection, import_pk: int, code: str, detail: str) -> None:
    """Fail every item that has no fate yet, and count them."""
    failed = connection.execute(
        sa.update(import_items)
        .where(import_items.c.import_pk == import_pk, import_items.c.status == "pending")
        .values(status="failed", code=code, detail=detail)
    ).rowcount
    count(connection, import_pk, failed=failed)


def items(
    connection: sa.Connection,
    import_pk: int,
    *,
    after: int = -1,
    limit: int,
    status: str | None = None,
    stage: str | None = None,
) -> list[ImportItem]:
    """Return ledger rows in file order, after item number ``after``."""
    query = sa.select(import_items).where(
        import_items.c.import_pk == import_pk, import_items.c.item > after
    )
    if status:
        query = query.where(import_items.c.status == status)
    if stage:
        query = query.where(import_items.c.stage == stage)
    return [
        ImportItem(
            item=row.item,
            path=row.path,
            product_id=row.product_id,
            stage=row.stage,
            status=row.status,
            code=row.code,
            detail=row.detail,
            attempts=row.attempts,
        )
        for row in connection.execute(query.order_by(import_items.c.item).limit(limit))
    ]
