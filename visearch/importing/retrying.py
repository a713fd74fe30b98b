"""Retrying: what failed of an import that has ended is tried again, and nothing else."""

from __future__ import annotations

from visearch.backend import Backend
from visearch.errors import Conflict, Gone
from visearch.importing import progress
from visearch.importing.admission import check_room
from visearch.records import ACTIVE, Import
from visearch.store import catalogs, chunks, feeds, imports, ledger
from visearch.store.database import Connection
from visearch.store.imports import PRODUCTS

NOT_KEPT = "What was uploaded is no longer kept. Upload it again."


def retry(backend: Backend, record: Import) -> Import:
    """Try the failed pictures of an import again; returns the import, active again.

    It keeps its number in the order of writes: products that were written since stay as they are.
    A ``replace`` removes what its file does not name when it ends, as at first.

    Raises:
        NotFound: its catalog was deleted.
        Conflict: it has not ended yet, or none of its failures can come out otherwise.
        Gone: what was uploaded is no longer kept.
        Overloaded: there is no room for more work.
    """
    check_room(backend)
    with backend.database.write() as connection:
        # The catalog first, whatever the mode: it may be deleted at this very moment.
        catalogs.lock_live(connection, record.catalog_pk)
        now = imports.lock(connection, record.pk)
        _check(now)
        again = _try_again(connection, now, backend.settings.chunk_items)
        if now.planned and not again:
            raise Conflict(
                "None of the failures can come out otherwise with the same file. Correct the file "
                "and upload it again."
            )
        if not imports.revive(connection, now):
            raise Gone(NOT_KEPT)
        feeds.unsettle(connection, now.catalog_pk)
        revived = imports.by_pk(connection, now.pk)
        if not now.planned:
            imports.send_plan(connection, revived)
        progress.advance(connection, now.pk, backend.settings)
    backend.flush()
    return revived


def _check(record: Import) -> None:
    if record.status in ACTIVE:
        raise Conflict("The import is still under way. Wait for its end, or cancel it first.")
    if not record.source and record.media != PRODUCTS:
        raise Gone(NOT_KEPT)


def _try_again(connection: Connection, record: Import, per_chunk: int) -> int:
    first = chunks.next_split(connection, record.pk)
    retried = ledger.retry(connection, record, first, per_chunk)
    chunks.add(connection, record.pk, ledger.pending_chunks(connection, record, first))
    imports.count(
        connection,
        record.pk,
        failed=-retried.items,
        fetched=-retried.fetched,
        decoded=-retried.decoded,
        embedded=-retried.embedded,
    )
    return retried.items
