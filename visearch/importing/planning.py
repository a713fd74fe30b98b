"""Planning: the items of an uploaded file, listed into the ledger and cut into chunks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice

import structlog

from visearch import archives
from visearch.backend import Backend
from visearch.contract import PlanPayload
from visearch.errors import (
    ArchiveCorrupt,
    ArchiveError,
    BlobDamaged,
    DependencyUnavailable,
    NotFound,
)
from visearch.importing import progress
from visearch.importing.decode import UPLOAD_DAMAGED
from visearch.records import ACTIVE, Import, PlannedItem
from visearch.store import chunks, imports, ledger
from visearch.store.imports import PRODUCTS

log = structlog.get_logger(__name__)

LEDGER_BATCH = 2_000
CHUNK_BYTES = 16 << 20
TURN_S = 30.0

Numbered = tuple[int, PlannedItem]


def plan(backend: Backend, message: PlanPayload, worker: str) -> None:
    """List the items of an import; the first chunks are sent while it still reads.

    Idempotent: listing is deterministic, so a second run goes on after the rows the
    first one committed. A file that takes longer than ``TURN_S`` goes to the end of the queue, so
    that it does not keep others waiting. One that cannot be read fails the import with its reason.
    """
    with backend.database.write() as connection:
        record = imports.take_plan(connection, message["import_id"], message["attempt"], worker)
    if record is None:
        return
    try:
        total = _list_items(backend, record)
    except (ArchiveError, NotFound) as error:
        progress.fail_import(backend, record, error.code, error.detail)
        return
    except BlobDamaged as error:
        log.error("upload_damaged", import_id=record.id, error=error.detail)
        progress.fail_import(backend, record, error.code, UPLOAD_DAMAGED)
        return
    except DependencyUnavailable as error:
        log.warning("plan_postponed", import_id=record.id, detail=error.detail)
        _postpone(backend, record, error.dependency)
        return
    if total is not None:
        with backend.database.write() as connection:
            progress.take_locks(connection, record)
            imports.start(connection, record.pk, total)
            progress.advance(connection, record.pk, backend.settings)
    backend.flush()


def _postpone(backend: Backend, record: Import, dependency: str) -> None:
    with backend.database.write() as connection:
        progress.take_locks(connection, record)
        if imports.plan_again(connection, record, send=False):
            imports.note_waiting(connection, record.pk, dependency)


def give_back(backend: Backend, message: PlanPayload, code: str, detail: str) -> None:
    """End a reading that failed by itself: the file is read again, or the import fails."""
    with backend.database.read() as connection:
        record = imports.by_id(connection, message["import_id"])
    if record.attempt != message["attempt"] or record.planner is None:
        return
    if record.tries >= backend.settings.max_attempts:
        progress.fail_import(backend, record, code, detail)
        return
    with backend.database.write() as connection:
        imports.plan_again(connection, record, tries=record.tries + 1)
    backend.flush()


def _list_items(backend: Backend, record: Import) -> int | None:
    """Write the ledger; returns the number of items, None if another turn goes on with it."""
    end = None
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
            # From the first batch on: to look through a long table may take a turn by itself.
            end = end or time.monotonic() + TURN_S
            if time.monotonic() > end:
                with backend.database.write() as connection:
                    imports.plan_again(connection, record)
                return None
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
