"""Feeds: what is due is begun, and ended runs are settled; ``feed_files`` fetches the files."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import structlog

from visearch.backend import Backend
from visearch.background import take_steps
from visearch.errors import Conflict, NotFound, ReplaceGuarded
from visearch.records import TERMINAL_IMPORT, Import
from visearch.store import (
    catalogs,
    feed_rows,
    feed_runs,
    feed_turns,
    feeds,
    imports,
    ledger,
    retention,
    uploads,
)
from visearch.store.database import Connection
from visearch.store.feed_runs import FeedRun

log = structlog.get_logger(__name__)

ROWS = 5_000
"""Rows read, or forgotten, at a time."""

WHOLE_LEDGERS = 3
"""Runs of a feed whose file is kept, and whose ledger has what needed no work too."""


def look(backend: Backend) -> bool:
    """Begin what is due and settle what has ended; tells whether a file is to be fetched."""
    steps: dict[str, Callable[[], object]] = {}
    with backend.database.read() as connection:
        for feed in feeds.due(connection, time.time()):
            steps[f"begin {feed.pk}"] = partial(_begin, backend, feed.pk)
        for run in feed_runs.imported(connection):
            steps[f"settle {run.id}"] = partial(_settle, backend, run)
    take_steps("feed_failed", steps)
    with backend.database.read() as connection:
        return feed_turns.any_waiting(connection)


def _begin(backend: Backend, feed_pk: int) -> None:
    """Begin the run of a feed that is due; one that is still under way takes its place."""
    at = time.time()
    try:
        with backend.database.write() as connection:
            catalogs.lock_live(connection, feeds.by_pk(connection, feed_pk).catalog_pk)
            feed = feeds.by_pk(connection, feed_pk)
            if feed.next_run_at is None or feed.next_run_at.timestamp() > at:
                return  # another maintainer was first
            feeds.postpone(connection, feed, at)
            try:
                run = feed_runs.create(connection, feed, "schedule")
            except Conflict:
                log.info("feed_still_runs", catalog=feed.catalog, feed=feed.name)
            else:
                log.info("feed_begun", catalog=feed.catalog, feed=feed.name, run=run.id)
    except NotFound:  # deleted meanwhile
        return


def _settle(backend: Backend, run: FeedRun) -> None:
    """End a run whose import has ended.

    First of all it is forgotten what products were to be that the import has not written whole: the
    next run takes them up again.
    """
    if run.import_pk is None:
        with backend.database.write() as connection:
            gone = "The import of this run is no longer kept. Run the feed again."
            feed_runs.end(connection, run, "failed", code="gone", detail=gone)
        return
    with backend.database.read() as connection:
        record = imports.by_pk(connection, run.import_pk)
    _forget_undone(backend, run, record)
    if record.planned:
        _forget_unnamed(backend, run, record)
    with backend.database.read() as connection:
        counts = _counts(connection, run, record)
    with backend.database.write() as connection:
        catalogs.lock(connection, record.catalog_pk)
        record = imports.by_pk(connection, record.pk)
        if record.status not in TERMINAL_IMPORT:
            return  # somebody has it tried again: there is more to come
        code, detail = record.error_code, record.error_detail
        if not feed_runs.end(connection, run, record.status, code=code, detail=detail, **counts):
            return
        feed = feeds.by_pk(connection, run.feed_pk)
        is_over = code is None and record.status != "cancelled"
        if is_over and feed.stated == run.stated and run.file is not None:
            whole = record.status == "succeeded"
            feeds.settle(connection, feed, record.accepted, run.file, whole=whole)
    _forget_old(backend, run.feed_pk)


def _counts(connection: Connection, run: FeedRun, record: Import) -> dict[str, int]:
    """Count what a run has removed, and what has failed; all is none if its guard stopped it."""
    if record.error_code == ReplaceGuarded.code:
        return dict.fromkeys(run.difference._fields, 0)
    ended = record.mode == "replace" and record.status in ("succeeded", "partial")
    return {
        "removed": feed_runs.count_removed(connection, record) if ended else 0,
        "failed": feed_runs.count_failed(connection, record.pk),
    }


def _forget_undone(backend: Backend, run: FeedRun, record: Import) -> None:
    after = -1
    while True:
        with backend.database.read() as connection:
            found = feed_runs.undone(connection, record.pk, after, ROWS)
        if not found:
            return
        after = found[-1][0]
        with backend.database.write() as connection:
            products = sorted({product_id for _, product_id in found})
            feed_rows.forget(connection, run.feed_pk, products)


def _forget_unnamed(backend: Backend, run: FeedRun, record: Import) -> None:
    after = ""
    while True:
        with backend.database.read() as connection:
            found = feed_rows.page(connection, run.feed_pk, after, ROWS)
            gone = feed_rows.unnamed(connection, record.pk, found)
        if not found:
            return
        after = found[-1]
        if gone:
            with backend.database.write() as connection:
                feed_rows.forget(connection, run.feed_pk, gone)


def _forget_old(backend: Backend, feed_pk: int) -> None:
    """Keep of older runs what they have changed: a feed may run every minute."""
    with backend.database.read() as connection:
        old = feed_runs.older_imports(connection, feed_pk, WHOLE_LEDGERS)
        records = [imports.by_pk(connection, import_pk) for import_pk in old]
    for record in records:
        if record.status not in TERMINAL_IMPORT:
            continue
        with backend.database.write() as connection:
            given_up = retention.forget_upload(connection, record.pk, time.time())
            given_up = given_up and not uploads.named(connection, [record.source])
        if given_up and record.source:
            backend.blobs.delete(record.source)
        while _forget_done(backend, record.pk):
            pass


def _forget_done(backend: Backend, import_pk: int) -> bool:
    """Forget some of what needed no work in an import; tells whether there may be more.

    Nothing of one that somebody has tried again: at its end, a ``replace`` removes what its ledger
    does not name. Without its file it cannot be tried again.
    """
    with backend.database.write() as connection:
        record = imports.lock(connection, import_pk)
        if record.status not in TERMINAL_IMPORT or record.source:
            return False
        return bool(ledger.forget_done(connection, import_pk, ROWS))
