"""Progress of an import: what comes next, its end, and what a worker gives back."""

from __future__ import annotations

from visearch.backend import Backend
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
        chunks.top_up(connection, import_pk, settings.import_window)
        return
    if record.mode == "replace" and counts.searchable:
        _remove_absent(connection, record)
    status = "succeeded" if not counts.failed else "partial" if counts.searchable else "failed"
    imports.end(connection, import_pk, status)
    chunks.close_all(connection, import_pk)


def take_locks(connection: Connection, record: Import) -> None:
    """Lock what ending this import may write, in the order that every writer keeps.

    Embedding locks the catalog, then the chunk, then the import. Ending a ``replace`` import
    removes products, so a transaction that may end it has to begin with the catalog, too;
    otherwise two transactions of PostgreSQL could wait for each other.
    """
    if record.mode == "replace":
        catalogs.lock(connection, record.catalog_pk)


def _remove_absent(connection: Connection, record: Import) -> None:
    """``mode=replace``: remove the products that the file does not name.

    Writes that were accepted before it and are not finished are older than the file, and will
    find its number with the catalog.
    """
    if absent := ledger.unnamed_products(connection, record):
        products.remove(connection, record.catalog_pk, absent, record.accepted)
    catalogs.note_replaced(connection, record.catalog_pk, record.accepted)


def fail_import(backend: Backend, record: Import, code: str, detail: str) -> None:
    """End an import whose file cannot be read; items already searchable stay so."""
    with backend.database.write() as connection:
        _end_early(connection, record, "failed", code, detail)


def cancel(connection: Connection, record: Import) -> None:
    """Cancel an active import: what is searchable stays, the rest is failed as cancelled."""
    detail = "The import was cancelled before this picture was searchable."
    _end_early(connection, record, "cancelled", "cancelled", detail)


def _end_early(connection: Connection, record: Import, status: str, code: str, detail: str) -> None:
    # Chunks before the import, as everyone who ends a claim locks them.
    chunks.close_all(connection, record.pk)
    if imports.lock(connection, record.pk).status not in ACTIVE:
        return
    ledger.fail_pending(connection, record.pk, code, detail)
    imports.start(connection, record.pk, ledger.planned_items(connection, record.pk))
    reason = {"code": code, "detail": detail} if status == "failed" else {}
    imports.end(connection, record.pk, status, **reason)
    chunks.close_all(connection, record.pk)  # those planned in between


def remove_catalog(backend: Backend, name: str) -> None:
    """Delete a catalog with all its products, and end the imports into it; raises NotFound."""
    with backend.database.write() as connection:
        catalog = catalogs.get(connection, name)
        catalogs.delete(connection, catalog)
        for record in imports.active_of(connection, catalog):
            cancel(connection, record)
    backend.announce(catalog.pk)


def give_back(backend: Backend, claim: Claim, *, code: str, detail: str) -> None:
    """End a claim whose try failed, for another try or for good; see ``Claim.give_back``."""
    with backend.database.write() as connection:
        take_locks(connection, claim.record)
        limit = backend.settings.max_attempts
        if claim.give_back(connection, max_attempts=limit, code=code, detail=detail):
            advance(connection, claim.record.pk, backend.settings)
    backend.flush()
