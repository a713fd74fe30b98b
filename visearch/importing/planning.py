"""Planning: the items of an uploaded file, listed into the ledger and cut into chunks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import BinaryIO, NamedTuple, cast

import structlog

from visearch import archives
from visearch.backend import Backend
from visearch.contract import PLAN, PlanPayload
from visearch.errors import (
    ArchiveCorrupt,
    ArchiveError,
    BlobDamaged,
    DependencyUnavailable,
    InvalidRequest,
    NotFound,
    ReplaceGuarded,
)
from visearch.importing import guard, progress
from visearch.importing.decode import UPLOAD_DAMAGED
from visearch.importing.unchanged import Numbered, compare, is_compared
from visearch.records import ACTIVE, Import, PlannedItem
from visearch.store import catalogs, chunks, imports, ledger, mappings, mark
from visearch.store.imports import PRODUCTS
from visearch.tables.mapping import Mapping

log = structlog.get_logger(__name__)

LEDGER_BATCH = 2_000
LEDGER_TEXT = 8_000_000
"""Characters of descriptions in a batch, from which on it ends."""
CHUNK_BYTES = 16 << 20
TURN_S = 30.0
LONGEST_TURN_S = 600.0
"""Much less than the limit of a task."""


def plan(backend: Backend, message: PlanPayload, worker: str) -> None:
    """List the items of an import; the first chunks are sent while it still reads.

    Not those of a ``replace``: only who has read the file to its end knows what it would remove.

    Idempotent: listing is deterministic, so a second run goes on after the rows the
    first one committed. A file that takes longer than ``TURN_S`` goes to the end of the queue if
    others wait there, and one that takes longer than ``LONGEST_TURN_S`` in any case; it is then
    read again from its beginning. One that cannot be read fails the import with its reason.
    """
    with backend.database.write() as connection:
        record = imports.take_plan(connection, message["import_id"], message["attempt"], worker)
    if record is None:
        return
    try:
        listed = _list_items(backend, record)
    except (ArchiveError, InvalidRequest, NotFound) as error:
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
    if listed is not None:
        _begin(backend, record, listed)
    backend.flush()


def _begin(backend: Backend, record: Import, listed: _Listed) -> None:
    """Let an import go on whose file was read to its end, unless its guard stops it."""
    with backend.database.write() as connection:
        catalogs.lock(connection, record.catalog_pk)
        now = progress.take_locks(connection, record)
        try:
            guard.check(connection, now, backend.settings)
        except ReplaceGuarded as error:
            progress.fail(connection, record, error.code, error.detail)
            return
        imports.start(connection, record.pk, listed.items)
        if listed.mapping is not None and now.status in ACTIVE:
            before = mappings.of_catalog(connection, record.catalog_pk)
            mappings.save(connection, record.catalog_pk, listed.mapping.save(before))
        progress.advance(connection, record.pk, backend.settings)


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


class _Listed(NamedTuple):
    """How many items a file has, and what its columns were taken for."""

    items: int
    mapping: Mapping | None


def _open(backend: Backend, source: str) -> BinaryIO:
    try:
        return backend.blobs.open(source)
    except NotFound:
        mark.require(backend.database, backend.blobs)
        raise


def _list_items(backend: Backend, record: Import) -> _Listed | None:
    """Write the ledger; returns what it holds, None if another turn goes on with it."""
    begun = None
    with backend.database.read() as connection:
        total = ledger.planned_items(connection, record.pk)
        known = mappings.of_import(connection, record.pk)
        compared = is_compared(connection, record)
    with _open(backend, record.source) as file:
        most = backend.settings.max_import_items
        media = archive_media(record.media)
        found = archives.Contents(file, media, max_items=most, known=known, name=record.source)
        items = found.items(digests=compared)
        numbered = _chunked(items, backend.settings.chunk_items)
        for batch in _batches(islice(numbered, total, None)):
            if not _append(backend, record, total, batch, compared=compared):
                return None
            total += len(batch)
            backend.flush()
            # From the first batch on: to look through a long table may take a turn by itself.
            begun = begun or time.monotonic()
            if _is_over(backend, time.monotonic() - begun):
                with backend.database.write() as connection:
                    imports.plan_again(connection, record)
                return None
    if total == 0:
        raise ArchiveCorrupt("The file holds no pictures. Add some and upload it again.")
    return _Listed(total, found.reading and found.reading.mapping)


def _is_over(backend: Backend, turn_s: float) -> bool:
    """Tell whether a turn that has taken so long is to end."""
    return turn_s > LONGEST_TURN_S or (turn_s > TURN_S and backend.waits(PLAN))


def archive_media(media: str) -> archives.Media:
    """Return what kind of file an import, or an upload, is of."""
    if media == PRODUCTS:
        raise ArchiveCorrupt("An import of a single product has no file to read.")
    return cast(archives.Media, media)


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
    text = 0
    for numbered in items:
        is_full = len(batch) >= LEDGER_BATCH or text >= LEDGER_TEXT
        if is_full and numbered[0] != batch[-1][0]:
            yield batch
            batch, text = [], 0
        batch.append(numbered)
        text += len(numbered[1].description or "")
    if batch:
        yield batch


def _append(
    backend: Backend,
    record: Import,
    first: int,
    batch: Sequence[Numbered],
    *,
    compared: bool,
) -> bool:
    """Commit one batch and its chunks; False if the import is no longer ours."""
    import_pk = record.pk
    with backend.database.write() as connection:
        now = imports.lock(connection, import_pk)
        if now.status not in ACTIVE or now.attempt != record.attempt or now.planned:
            return False  # cancelled, or a later attempt has begun
        if ledger.planned_items(connection, import_pk) != first:
            return False  # another run of this plan is ahead of us
        if compared:
            batch = compare(connection, record, first, batch)
        ledger.add_items(connection, import_pk, first, batch)
        to_do = {n for n, item in batch if not (item.code or item.done)}
        chunks.add(connection, import_pk, sorted(to_do))
        failed = sum(1 for _, item in batch if item.code)
        done = dict.fromkeys(ledger.REACHED, sum(1 for _, item in batch if item.done))
        imports.count(connection, import_pk, failed=failed, **done)
        if progress.may_begin(now):
            chunks.top_up(connection, import_pk, backend.settings.import_window)
    return True
