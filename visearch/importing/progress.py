"""Progress of an import: the terminal state, retries, and what a dead worker left behind."""

from __future__ import annotations

import sqlalchemy as sa

from visearch.backend import Backend
from visearch.records import ACTIVE
from visearch.settings import Settings
from visearch.store import catalogs, chunks, imports, ledger, products
from visearch.store.schema import import_items
from visearch.store.schema import imports as imports_table
from visearch.store.schema import products as products_table


def advance(connection: sa.Connection, import_pk: int, settings: Settings) -> None:
    """Send the next chunks, or end the import when every item has its fate.

    Called in the transaction that changed a counter, so the end is never missed and
    never counted twice.
    """
    row = imports.lock(connection, import_pk)
    if row.status not in ACTIVE:
        chunks.abandon(connection, import_pk)
        return
    if not row.planned or row.searchable + row.failed < row.items:
        chunks.top_up(connection, import_pk, settings.import_window)
        return
    if row.mode == "replace" and row.searchable:
        _remove_absent(connection, row)
    status = "succeeded" if not row.failed else "partial" if row.searchable else "failed"
    imports.end(connection, import_pk, status)
    chunks.abandon(connection, import_pk)


def take_locks(connection: sa.Connection, import_pk: int) -> None:
    """Lock what ending this import may write, in the order that every writer keeps.

    Embedding locks the catalog, then the chunk, then the import. Ending a ``replace``
    import removes products, so whoever may end it has to begin with the catalog, too;
    else two transactions of PostgreSQL could each wait for the other.
    """
    query = sa.select(imports_table.c.catalog_pk).where(
        imports_table.c.pk == import_pk, imports_table.c.mode == "replace"
    )
    if (catalog_pk := connection.execute(query).scalar_one_or_none()) is not None:
        catalogs.lock(connection, catalog_pk)


def _remove_absent(connection: sa.Connection, row: sa.Row[tuple[object, ...]]) -> None:
    """``mode=replace``: remove the products that the file does not name.

    Products written after this import was accepted stay: they are newer than the file.
    Writes accepted before it that are not through yet are older, and will find its number.
    """
    named = sa.select(import_items.c.product_id).where(import_items.c.import_pk == row.pk)
    absent = connection.execute(
        sa.select(products_table.c.external_id).where(
            products_table.c.catalog_pk == row.catalog_pk,
            products_table.c.deleted.is_(sa.false()),
            products_table.c.meta_version < row.accepted,
            products_table.c.images_version < row.accepted,
            products_table.c.external_id.not_in(named),
        )
    ).scalars()
    if gone := absent.all():
        products.remove(connection, row.catalog_pk, gone, row.accepted)
    catalogs.note_replaced(connection, row.catalog_pk, row.accepted)


def fail_import(backend: Backend, import_pk: int, code: str, detail: str) -> None:
    """End an import whose file cannot be read; items already searchable stay so."""
    with backend.database.write() as connection:
        _end_early(connection, import_pk, "failed", code, detail)


def cancel(connection: sa.Connection, import_pk: int) -> None:
    """Cancel an active import: what is searchable stays, the rest is failed as cancelled."""
    detail = "the import was cancelled before this picture was searchable"
    _end_early(connection, import_pk, "cancelled", "cancelled", detail)


def _end_early(
    connection: sa.Connection, import_pk: int, status: str, code: str, detail: str
) -> None:
    # Chunks before the import, as everyone who finishes one locks them.
    chunks.abandon(connection, import_pk)
    if imports.lock(connection, import_pk).status not in ACTIVE:
        return
    ledger.fail_pending(connection, import_pk, code, detail)
    imports.start(connection, import_pk, ledger.planned_items(connection, import_pk))
    reason = {"code": code, "detail": detail} if status == "failed" else {}
    imports.end(connection, import_pk, status, **reason)
    chunks.abandon(connection, import_pk)  # those planned in between


def remove_catalog(backend: Backend, name: str) -> None:
    """Delete a catalog with all its products, and end the imports into it; raises NotFound."""
    with backend.database.write() as connection:
        catalog = catalogs.get(connection, name)
        catalogs.delete(connection, catalog)
        active = sa.select(imports_table.c.pk).where(
            imports_table.c.catalog_pk == catalog.pk, imports_table.c.status.in_(ACTIVE)
        )
        for import_pk in connection.execute(active.order_by(imports_table.c.pk)).scalars().all():
            cancel(connection, import_pk)
    backend.announce(catalog.pk)


def _failure(row: sa.Row[tuple[int, int]], code: str, detail: str) -> dict[str, object]:
    return {"item": row.item, "status": "failed", "code": code, "detail": detail}


def release(
    backend: Backend,
    import_pk: int,
    chunk: int,
    stage: str,
    attempt: int,
    *,
    code: str,
    detail: str,
) -> None:
    """Take a chunk from an attempt that died, and try again or give up.

    A chunk that keeps failing while decoding is cut into single pictures for its last
    attempt, so that one picture that kills its process cannot take the others along. After
    ``max_attempts`` the pictures left are failed with ``code``.
    """
    with backend.database.write() as connection:
        take_locks(connection, import_pk)
        if not chunks.finish(connection, import_pk, chunk, stage, attempt, state="waiting"):
            return
        pending = ledger.chunk_items(connection, import_pk, chunk)
        changes = [{"item": row.item, "attempts": attempt} for row in pending]
        ledger.update_items(connection, import_pk, changes)
        if attempt >= backend.settings.max_attempts:
            _give_up(connection, import_pk, chunk, pending, code, detail)
        else:
            last = attempt + 1 >= backend.settings.max_attempts
            alone = last and stage == chunks.DECODE and len(pending) > 1
            again = _split if alone else _retry
            again(connection, import_pk, chunk, attempt + 1, pending)
        advance(connection, import_pk, backend.settings)
    backend.flush()


def postpone(backend: Backend, import_pk: int, chunk: int, stage: str, attempt: int) -> None:
    """Put a chunk back because a dependency was away; that is no attempt of its own.

    Nothing is sent: the reconciler does so when it finds the message missing, and so
    gives the dependency some seconds to come back.
    """
    with backend.database.write() as connection:
        chunks.finish(connection, import_pk, chunk, stage, attempt, state="sent")


def _give_up(
    connection: sa.Connection,
    import_pk: int,
    chunk: int,
    pending: list[sa.Row[tuple[int, int]]],
    code: str,
    detail: str,
) -> None:
    failures = [_failure(row, code, detail) for row in pending]
    ledger.update_items(connection, import_pk, failures)
    imports.count(connection, import_pk, failed=len(pending))
    chunks.close(connection, import_pk, chunk)


def _retry(
    connection: sa.Connection,
    import_pk: int,
    chunk: int,
    attempt: int,
    _pending: list[sa.Row[tuple[int, int]]],
) -> None:
    chunks.retry(connection, import_pk, chunk, attempt)


def _split(
    connection: sa.Connection,
    import_pk: int,
    chunk: int,
    attempt: int,
    pending: list[sa.Row[tuple[int, int]]],
) -> None:
    chunks.close(connection, import_pk, chunk)
    first = chunks.next_split(connection, import_pk)
    moves = [{"item": row.item, "chunk": first + i} for i, row in enumerate(pending)]
    ledger.update_items(connection, import_pk, moves)
    chunks.add(connection, import_pk, [first + i for i in range(len(pending))], attempt)
