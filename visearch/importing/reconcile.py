"""Reconciling: what the queue lost is sent again, what a dead worker held is given back."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from visearch.backend import Backend
from visearch.contract import EMBED, INGEST
from visearch.importing import progress
from visearch.store import chunks, claims, imports

DEAD_AFTER_S = 6.0
RUNNING_LIMIT_S = 300.0
LOST_AFTER_S = 8.0
LOST_ANYWAY_S = 600.0
"""A queue may never be empty: after this long a message is sent again all the same."""
PLAN_STALLED_S = 15.0
WORKER_LOST = {
    "code": "worker_lost",
    "detail": "The worker that held this picture died on every try. Import the picture again.",
}
_QUEUE = {chunks.DECODE: INGEST, chunks.EMBED: EMBED}


def reconcile(backend: Backend, alive: Collection[str], queue_depth: Callable[[str], int]) -> None:
    """Repair what went missing between the database, the queue and the workers.

    Args:
        backend: the adapters.
        alive: names of the workers whose heartbeat is fresh.
        queue_depth: messages waiting in a queue.
    """
    backend.flush()
    _give_back_lost(backend, alive)
    _resend_lost(backend, queue_depth)
    _resend_plans(backend, queue_depth)
    backend.flush()


def _give_back_lost(backend: Backend, alive: Collection[str]) -> None:
    """Give back the claims of workers that are gone, and those older than any should be."""
    at = time.time()
    with backend.database.read() as connection:
        held = claims.taken_before(connection, at - DEAD_AFTER_S)
    for claim in held:
        if claim.worker not in alive or claim.since <= at - RUNNING_LIMIT_S:
            progress.give_back(backend, claim, **WORKER_LOST)


def _resend_lost(backend: Backend, queue_depth: Callable[[str], int]) -> None:
    """Send a chunk's message again when its queue is empty and nobody has claimed it.

    The work never began, so this is not another try; if both messages arrive after all, the
    second finds the chunk claimed and stops.
    """
    with backend.database.read() as connection:
        sent = chunks.sent_before(connection, time.time() - LOST_AFTER_S)
    for chunk in sent:
        overdue = chunk.sent_at < time.time() - LOST_ANYWAY_S
        if overdue or queue_depth(_QUEUE[chunk.stage]) == 0:
            with backend.database.write() as connection:
                chunks.send_again(connection, chunk)


def _resend_plans(backend: Backend, queue_depth: Callable[[str], int]) -> None:
    """Start planning again where it stopped, or fail the import after too many tries."""
    before = time.time() - PLAN_STALLED_S
    with backend.database.read() as connection:
        stalled = imports.unplanned_since(connection, before)
    for record in stalled if stalled and queue_depth(INGEST) == 0 else ():
        if record.attempt >= backend.settings.max_attempts:
            detail = f"Reading the file failed {record.attempt} times. Upload it again."
            progress.fail_import(backend, record, "plan_failed", detail)
            continue
        with backend.database.write() as connection:
            imports.plan_again(connection, record, before)
