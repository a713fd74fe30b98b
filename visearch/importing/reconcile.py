"""Reconciling: what the queue lost is sent again, what a dead worker held is released."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

import sqlalchemy as sa

from visearch.backend import Backend
from visearch.contract import EMBED, INGEST, PLAN_IMPORT, PlanPayload
from visearch.importing import progress
from visearch.records import ACTIVE
from visearch.store import chunks, outbox
from visearch.store.schema import imports

DEAD_AFTER_S = 6.0
RUNNING_LIMIT_S = 300.0
LOST_AFTER_S = 8.0
LOST_ANYWAY_S = 600.0
"""A queue may never be empty: after this long a message is sent again all the same."""
PLAN_STALLED_S = 15.0
_QUEUE = {chunks.DECODE: INGEST, chunks.EMBED: EMBED}


def reconcile(backend: Backend, alive: Collection[str], queue_depth: Callable[[str], int]) -> None:
    """Repair what went missing between the database, the queue and the workers.

    Args:
        backend: the adapters.
        alive: names of the workers whose heartbeat is fresh.
        queue_depth: messages waiting in a queue.
    """
    backend.flush()
    _release_dead(backend, alive)
    _resend_lost(backend, queue_depth)
    _resend_plans(backend, queue_depth)
    backend.flush()


def _release_dead(backend: Backend, alive: Collection[str]) -> None:
    """Release chunks whose worker is gone, or that run longer than anything should."""
    at = time.time()
    with backend.database.read() as connection:
        running = chunks.in_state(connection, "running", at - DEAD_AFTER_S)
    for row in running:
        if row.worker in alive and row.changed_at > at - RUNNING_LIMIT_S:
            continue
        progress.release(
            backend,
            row.import_pk,
            row.chunk,
            row.stage,
            row.attempt,
            code="worker_lost",
            detail="the worker died while it held this picture, on every try",
        )


def _resend_lost(backend: Backend, queue_depth: Callable[[str], int]) -> None:
    """Send a chunk's message again when its queue is empty and nobody has claimed it.

    The work was never begun, so this is not another attempt; if both messages arrive
    after all, the second finds the chunk claimed and stops.
    """
    with backend.database.read() as connection:
        sent = chunks.in_state(connection, "sent", time.time() - LOST_AFTER_S)
    for row in sent:
        overdue = row.changed_at < time.time() - LOST_ANYWAY_S
        if overdue or queue_depth(_QUEUE[row.stage]) == 0:
            with backend.database.write() as connection:
                chunks.send_again(connection, row)


def _resend_plans(backend: Backend, queue_depth: Callable[[str], int]) -> None:
    """Start planning again where it stopped, or fail the import after too many tries."""
    before = time.time() - PLAN_STALLED_S
    stalled = (
        imports.c.status.in_(ACTIVE),
        imports.c.planned.is_(sa.false()),
        imports.c.changed_at < before,
    )
    with backend.database.read() as connection:
        rows = connection.execute(sa.select(imports).where(*stalled)).all()
    for row in rows if rows and queue_depth(INGEST) == 0 else ():
        if row.attempt >= backend.settings.max_attempts:
            detail = f"reading the file failed {row.attempt} times; upload it again"
            progress.fail_import(backend, row.pk, "plan_failed", detail)
            continue
        with backend.database.write() as connection:
            changed = connection.execute(
                sa.update(imports)
                .where(imports.c.pk == row.pk, imports.c.attempt == row.attempt, *stalled)
                .values(attempt=row.attempt + 1, changed_at=time.time())
            ).rowcount
            if changed:
                payload = PlanPayload(
                    import_id=row.id, attempt=row.attempt + 1, request_id=row.request_id
                )
                outbox.add(connection, PLAN_IMPORT, payload)
