"""Progress of an import: what comes next, its end, and what a worker gives back."""

from __future__ import annotations

from visearch.backend import Backend
from visearch.errors import ReplaceIncomplete
from visearch.records import ACTIVE, Import
from visearch.settings import Settings
from visearch.store import catalogs, chunks, imports, ledger, products
from visearch.store.claims import Claim
from visearch.store.database import Connection


def advance(connection: Connection, import_pk: int, settings: Settings) -> None:
    """Send the next chunks, or end the import when every item has its fate.

    Called in the transaction that changed a counter, so the end is never missed and
    never counted twice.
    """
    record = imports.lock(connection, import_pk)
    if record.status not in ACTIVE:
        chunks.close_all(connection, import_pk)
        return
    counts = record.counts
    if not record.planned or counts.searchable + counts.failed < (counts.items or 0):
        if may_begin(record):
            chunks.top_up(connection, import_pk, settings.import_window)
        return
    status = "succeeded" if not counts.failed else "partial" if counts.searchable else "failed"
    code = detail = ""
    if record.mode == "replace" and counts.searchable and (kept := _replace(connection, record)):
        code, detail = ReplaceIncomplete.code, kept
    imports.end(connection, import_pk, status, code=code, detail=detail)
    chunks.close_all(connection, import_pk)


def go_on(backend: Backend, record: Import) -> None:
    """Send what of an import has become due."""
    with backend.database.write() as connection:
        take_locks(connection, record)
        advance(connection, record.pk, backend.settings)


def may_begin(record: Import) -> bool:
    """Tell whether chunks may be sent: of a replace, none before its guard has seen all items."""
    return record.planned or record.mode != "replace"


def take_locks(connection: Connection, record: Import) -> Import:
    """Lock what going on with this import may write; returns the import as it is now.

    The order is the one that every writer keeps (``visearch.store.schema``). The end of a
    ``replace`` import removes products, which begins with the catalog.
    """
    if record.mode == "replace":
        catalogs.lock(connection, record.catalog_pk)
    return imports.lock(connection, record.pk)


def _replace(connection: Connection, record: Import) -> str | None:
    """Remove the products that the file does not name; returns why it removed none.

    A row without a readable id may mean any product, so then all of them stay. Writes that were
    accepted before it and are not finished are older than the file, and will find its number with
    the catalog.
    """
    if nameless := ledger.count_nameless(connection, record.pk):
        return (
            f"No product was removed: {nameless} of the file's items have no readable id and may "
            "mean any product. Give every row an id and upload the file again."
        )
    if absent := ledger.unnamed_products(connection, record):
        products.remove(connection, record.catalog_pk, absent, record.accepted)
    catalogs.note_replaced(connection, record.catalog_pk, record.accepted)
    return None


def fail_import(backend: Backend, record: Import, code: str, detail: str) -> None:
    """End an import whose file cannot be read; items already searchable stay so."""
    with backend.database.write() as connection:
        fail(connection, record, code, detail)


def fail(connection: Connection, record: Import, code: str, detail: str) -> None:
    """End an import for a reason that is not that of a single picture."""
    _end_early(connection, record, "failed", code=code, detail=detail)


def cancel(connection: Connection, record: Import) -> None:
    """Cancel an active import: what is searchable stays, the rest is failed as cancelled."""
    _end_early(connection, record, "cancelled")


def _end_early(
    connection: Connection, record: Import, status: str, code: str = "", detail: str = ""
) -> None:
    """End an import in which items have no fate yet; the ledger shows them as failed."""
    now = imports.lock(connection, record.pk)
    if now.status not in ACTIVE:
        return
    chunks.close_all(connection, record.pk)
    total = ledger.planned_items(connection, record.pk)
    left = total - now.counts.searchable - now.counts.failed
    imports.count(connection, record.pk, failed=left)
    imports.end(connection, record.pk, status, items=total, code=code, detail=detail)


def remove_catalog(backend: Backend, name: str) -> None:
    """Delete a catalog with all its products, and end the imports into it; raises NotFound."""
    with backend.database.write() as connection:
        catalog = catalogs.get(connection, name)
        catalogs.delete(connection, catalog)
        for record in imports.active_of(connection, catalog):
            cancel(connection, record)
    backend.announce(catalog.pk)


def give_back(
    backend: Backend, claim: Claim, *, code: str, detail: str, limit: int | None = None
) -> None:
    """End a claim whose try failed, for another try or for good; see ``Claim.give_back``.

    It is for good after ``limit`` tries, by default ``max_attempts``.
    """
    limit = backend.settings.max_attempts if limit is None else limit
    with backend.database.write() as connection:
        take_locks(connection, claim.record)
        if claim.give_back(connection, max_attempts=limit, code=code, detail=detail):
            advance(connection, claim.record.pk, backend.settings)
    backend.flush()


def postpone(backend: Backend, claim: Claim, dependency: str | None = None) -> None:
    """End a claim that could not be tried, because ``dependency`` was away or its worker stopped.

    The reconciler sends it again.
    """
    with backend.database.write() as connection:
        take_locks(connection, claim.record)
        if claim.postpone(connection, counted=dependency is None) and dependency:
            imports.note_waiting(connection, claim.record.pk, dependency)
