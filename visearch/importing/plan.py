"""Planning: the items of an uploaded file, listed into the ledger and cut into chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

from visearch import archives
from visearch.backend import Backend
from visearch.background import Loop
from visearch.contract import PlanPayload
from visearch.errors import ArchiveCorrupt, ArchiveError, NotFound
from visearch.importing import progress
from visearch.records import ACTIVE, Import, PlannedItem
from visearch.store import chunks, imports, ledger
from visearch.store.imports import PRODUCTS

LEDGER_BATCH = 2_000
CHUNK_BYTES = 16 << 20
PULSE_S = 3.0

Numbered = tuple[int, PlannedItem]


def plan(backend: Backend, message: PlanPayload) -> None:
    """List the items of an import; the first chunks are sent while it still reads.

    Idempotent: listing is deterministic, so a second run goes on after the rows the
    first one committed. A file that cannot be read fails the import with its reason.
    """
    with backend.database.read() as connection:
        record = imports.by_id(connection, message["import_id"])
    if record.status not in ACTIVE or record.attempt != message["attempt"]:
        return
    try:
        with _sign_of_life(backend, record):
            total = _list_items(backend, record)
    except (ArchiveError, NotFound) as error:
        progress.fail_import(backend, record, error.code, error.detail)
        return
    if total is None:
        return  # cancelled, or another run has taken over
    with backend.database.write() as connection:
        progress.take_locks(connection, record)
        imports.start(connection, record.pk, total)
        progress.advance(connection, record.pk, backend.settings)
    backend.flush()


@contextmanager
def _sign_of_life(backend: Backend, record: Import) -> Iterator[None]:
    """Touch the import's row every few seconds: the reconciler restarts silent planners."""

    def touch() -> None:
        with backend.database.write() as connection:
            imports.touch(connection, record)

    pulse = Loop("planning", touch, every_s=PULSE_S, rest_first=True).start()
    try:
        yield
    finally:
        pulse.stop()
        pulse.join()


def _list_items(backend: Backend, record: Import) -> int | None:
    """Write the ledger; returns the number of items, None if it is not ours to write."""
    with backend.database.read() as connection:
        total = ledger.planned_items(connection, record.pk)
    with backend.blobs.open(record.source) as file:
        found = archives.plan(
            file, _archive_media(record), max_items=backend.settings.max_import_items
        )
        numbered = _chunked(found, backend.settings.chunk_items)
        for batch in _batches(islice(numbered, total, None)):
            if not _append(backend, record, total, batch):
                return None
            total += len(batch)
            backend.flush()
    if total == 0:
        raise ArchiveCorrupt("The file holds no pictures. Add some and upload it again.")
    return total


def _archive_media(record: Import) -> archives.Media:
    if record.media == PRODUCTS:
        raise ArchiveCorrupt("An import of a single product has no file to read.")
    return record.media


def _chunked(items: Iterable[PlannedItem], per_chunk: int) -> Iterator[Numbered]:
    """Number the chunk of each item: bounded count and bytes."""
    chunk, count, size = 0, 0, 0
    for item in items:
        if count >= per_chunk or (count and size + item.size > CHUNK_BYTES):
            chunk, count, size = chunk + 1, 0, 0
        yield chunk, item
        count, size = count + 1, size + item.size


def _batches(items: Iterator[Numbered]) -> Iterator[list[Numbered]]:
    """Cut into ledger batches that end with a chunk, so that no chunk is sent in half."""
    batch: list[Numbered] = []
    for numbered in items:
        if len(batch) >= LEDGER_BATCH and numbered[0] != batch[-1][0]:
            yield batch
            batch = []
        batch.append(numbered)
    if batch:
        yield batch


def _append(backend: Backend, record: Import, first: int, batch: list[Numbered]) -> bool:
    """Commit one batch and its chunks; False if the import is no longer ours."""
    import_pk = record.pk
    with backend.database.write() as connection:
        now = imports.lock(connection, import_pk)
        if now.status not in ACTIVE or now.attempt != record.attempt or now.planned:
            return False  # cancelled, or a later attempt has begun
        if ledger.planned_items(connection, import_pk) != first:
            return False  # another run of this plan is ahead of us
        ledger.add_items(connection, import_pk, first, batch)
        chunks.add(connection, import_pk, sorted({n for n, item in batch if not item.code}))
        failed = sum(1 for _, item in batch if item.code)
        imports.count(connection, import_pk, failed=failed)
        chunks.top_up(connection, import_pk, backend.settings.import_window)
    return True
