"""Reconciling: what the queue lost is sent again, what a dead worker held is given back.

No two machines' clocks are compared: how long something has lasted is how long this process has
seen it so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypedDict

import structlog

from visearch.backend import Backend
from visearch.contract import EMBED, INGEST, PLAN, plan_name
from visearch.importing import progress
from visearch.records import Import
from visearch.store import chunks, claims, imports, outbox

log = structlog.get_logger(__name__)

DROPPED_AFTER_S = 6.0
"""A claim that its worker does not vouch for may just have begun or ended, for so long."""
RUNNING_LIMIT_S = 300.0
"""No worker may hold a chunk for longer; the pools' own limits end most of them much earlier."""
LOST_AFTER_S = 8.0
LOST_ANYWAY_S = 120.0
"""A queue may never be empty: after this long a message is sent again all the same."""
MAX_DEATHS = 10
"""A worker's death is hardly ever its chunk's fault: pictures are decoded in other processes."""
MAX_ATTEMPTS = 200
"""Work that is given back so often without ever being tried to its end is charged after all."""


class Reason(TypedDict):
    """Why pictures were given up."""

    code: str
    detail: str


WORKER_LOST = Reason(
    code="worker_lost",
    detail="The worker that held this picture died on every try. Import the picture again.",
)
_QUEUE = {chunks.DECODE: INGEST, chunks.EMBED: EMBED}


class Ages:
    """How long each thing has been seen in the same state, in seconds of this machine."""

    def __init__(self) -> None:
        self._before: dict[Hashable, tuple[Hashable, float]] = {}
        self._now: dict[Hashable, tuple[Hashable, float]] = {}

    def begin(self) -> None:
        """Begin a look: what was not seen in the last one is forgotten."""
        self._before, self._now = self._now, {}

    def of(self, key: Hashable, state: Hashable) -> float:
        """Return for how long ``key`` has been in ``state``; 0 if it is new."""
        at = time.monotonic()
        known = self._before.get(key)
        self._now[key] = known if known is not None and known[0] == state else (state, at)
        return at - self._now[key][1]


class Reconciler:
    """Repairs what went missing between the database, the queues and the workers."""

    def __init__(self) -> None:
        self._ages = Ages()
        self._told = False

    def look(
        self,
        backend: Backend,
        alive: Mapping[str, Mapping[str, Any]],
        queue_depth: Callable[[str], int],
    ) -> None:
        """Look once.

        Args:
            backend: the adapters.
            alive: what the workers that are presumed alive said in their last heartbeat: the
                work they are ``holding``, and whether they are ``leaving``; those of which
                nobody has heard lately are ``unheard``, and later ``gone``.
            queue_depth: messages waiting in a queue.
        """
        backend.flush()
        self._ages.begin()
        self._give_back_lost(backend, alive)
        self._resend_lost(backend, queue_depth)
        self._plan_again(backend, alive, queue_depth)
        _end_waiting(backend)
        self._tell_unknown(backend)
        backend.flush()

    def _tell_unknown(self, backend: Backend) -> None:
        """Say once that the outbox holds what only another version of visearch can send."""
        with backend.database.read() as connection:
            unknown = outbox.unknown(connection)
        if unknown and not self._told:
            log.error("outbox_unknown_tasks", messages=unknown)
        self._told = unknown > 0

    def _give_back_lost(self, backend: Backend, alive: Mapping[str, Mapping[str, Any]]) -> None:
        """Give back the claims that their workers hold no more, or have held for too long."""
        with backend.database.read() as connection:
            held = claims.running(connection)
        for claim in held:
            age = self._ages.of(("claim", claim.record.pk, claim.number), claim.attempt)
            fate = _fate(alive, claim.worker, claim.name)
            endless = age >= RUNNING_LIMIT_S or claim.attempt >= MAX_ATTEMPTS
            if endless or (fate == "died" and age >= DROPPED_AFTER_S):
                limit = MAX_DEATHS if fate == "died" else backend.settings.max_attempts
                progress.give_back(backend, claim, **WORKER_LOST, limit=limit)
            elif fate == "left" and age >= DROPPED_AFTER_S:
                progress.postpone(backend, claim)

    def _resend_lost(self, backend: Backend, queue_depth: Callable[[str], int]) -> None:
        """Send a chunk's message again when its queue is empty and nobody has claimed it.

        The work never began, so this is not another try; if both messages arrive after all, the
        second finds the chunk claimed and stops.
        """
        with backend.database.read() as connection:
            sent = chunks.sent(connection)
        for chunk in sent:
            key, state = ("sent", chunk.import_pk, chunk.number), chunk.sent_at
            if self._is_lost(key, state, _QUEUE[chunk.stage], queue_depth):
                with backend.database.write() as connection:
                    chunks.send_again(connection, chunk)

    def _is_lost(
        self, key: Hashable, state: Hashable, queue: str, queue_depth: Callable[[str], int]
    ) -> bool:
        age = self._ages.of(key, state)
        return age >= LOST_ANYWAY_S or (age >= LOST_AFTER_S and queue_depth(queue) == 0)

    def _plan_again(
        self,
        backend: Backend,
        alive: Mapping[str, Mapping[str, Any]],
        queue_depth: Callable[[str], int],
    ) -> None:
        """Start planning again where it stopped, or fail the import after too many tries."""
        with backend.database.read() as connection:
            unplanned = imports.unplanned(connection)
        for record in unplanned:
            key, state = ("plan", record.pk), (record.attempt, record.planner)
            if record.planner is None:
                if self._is_lost(key, state, PLAN, queue_depth):
                    with backend.database.write() as connection:
                        imports.plan_again(connection, record)
                continue
            fate = _fate(alive, record.planner, plan_name(record.id, record.attempt))
            if self._ages.of(key, state) < DROPPED_AFTER_S or fate == "holds":
                continue
            _give_plan_back(backend, record, died=fate == "died")


def _fate(alive: Mapping[str, Mapping[str, Any]], worker: str | None, work: str) -> str:
    """Tell whether a worker ``holds`` some work, has ``left`` it as it stopped, or ``died``.

    A worker may also live and have lost the work: its process died, or the end of the work could
    not be written down. The former gives it back itself where it can, so this, too, is ``left``.
    """
    said = alive.get(worker or "")
    if said is None:
        return "died"
    if said.get("unheard"):
        return "holds"
    if said.get("gone"):
        return "left" if said.get("leaving") else "died"
    return "holds" if work in said.get("holding", ()) else "left"


def _give_plan_back(backend: Backend, record: Import, *, died: bool) -> None:
    if died and record.tries >= MAX_DEATHS:
        detail = f"Reading the file failed {record.tries} times. Upload it again."
        progress.fail_import(backend, record, "plan_failed", detail)
        return
    with backend.database.write() as connection:
        imports.plan_again(connection, record, tries=record.tries + died)


def _end_waiting(backend: Backend) -> None:
    """End the imports that have waited for a dependency longer than anybody should."""
    before = time.time() - backend.settings.outage_limit_s
    with backend.database.read() as connection:
        waiting = imports.waiting_since(connection, before)
    for record in waiting:
        log.error("import_waited_too_long", import_id=record.id, dependency=record.waiting_for)
        detail = (
            f"The {record.waiting_for} did not answer for "
            f"{backend.settings.outage_limit_s / 3600:g} hours. Upload the file again."
        )
        progress.fail_import(backend, record, "waited_too_long", detail)
