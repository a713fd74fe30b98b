"""Reconciling: what the queue lost is sent again, what a dead worker held is given back.

No two machines' clocks are compared: how long something has lasted is how long this process has
seen it so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar

import structlog

from visearch.backend import Backend
from visearch.background import take_steps
from visearch.contract import EMBED, INGEST, PLAN, plan_name
from visearch.errors import DependencyUnavailable
from visearch.importing import progress
from visearch.records import Import
from visearch.store import chunks, claims, imports, outbox
from visearch.store.chunks import SentChunk
from visearch.store.claims import Claim

log = structlog.get_logger(__name__)

DROPPED_AFTER_S = 6.0
"""A claim that its worker does not vouch for may just have begun or ended, for so long."""
RUNNING_LIMIT_S = 300.0
"""No worker may hold a chunk for longer, but for the time in which pictures are fetched; the pools'
own limits end most of them much earlier."""
LOST_AFTER_S = 8.0
LOST_ANYWAY_S = 120.0
"""A queue may never be empty: after this long a message is sent again once messages are missing."""
MAX_DEATHS = 10
"""A worker's death is hardly ever its chunk's fault: pictures are decoded in other processes."""
MAX_RETURNS = 200
"""Work that workers let go of so often without ever trying it to its end is charged after all."""


class Reason(TypedDict):
    """Why pictures were given up."""

    code: str
    detail: str


WORKER_LOST = Reason(
    code="worker_lost",
    detail="The worker that held this picture died on every try. Import the picture again.",
)
_QUEUE = {chunks.DECODE: INGEST, chunks.EMBED: EMBED}

T = TypeVar("T", Claim, SentChunk, Import)
Alive = Mapping[str, Mapping[str, Any]]
QueueDepth = Callable[[str], int]


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
        alive: Alive,
        queue_depth: QueueDepth,
    ) -> None:
        """Look once; what cannot be repaired now is logged, and the rest is.

        Args:
            backend: the adapters.
            alive: what the workers that are presumed alive said in their last heartbeat: the
                work they are ``holding``, and whether they are ``leaving``; those of which
                nobody has heard lately are ``unheard``, and later ``gone``.
            queue_depth: messages waiting in a queue.
        """
        self._ages.begin()
        steps: dict[str, Callable[[], object]] = {
            "send": backend.flush,
            "give back": lambda: self._give_back_lost(backend, alive),
            "send again": lambda: self._resend_lost(backend, queue_depth),
            "plan again": lambda: self._plan_again(backend, alive, queue_depth),
            "end waiting": lambda: _end_waiting(backend),
            "send what was put off": lambda: _send_due(backend),
            "look for unknown": lambda: self._tell_unknown(backend),
            "send what came up": backend.flush,
        }
        take_steps("not_reconciled", steps)

    def _tell_unknown(self, backend: Backend) -> None:
        """Say once that the outbox holds what only another version of visearch can send."""
        with backend.database.read() as connection:
            unknown = outbox.unknown(connection)
        if unknown and not self._told:
            log.error("outbox_unknown_tasks", messages=unknown)
        self._told = unknown > 0

    def _give_back_lost(self, backend: Backend, alive: Alive) -> None:
        """Give back the claims that their workers hold no more, or have held for too long."""
        with backend.database.read() as connection:
            held = claims.running(connection)
        _each(held, lambda claim: self._look_at_claim(backend, alive, claim))

    def _look_at_claim(self, backend: Backend, alive: Alive, claim: Claim) -> None:
        age = self._ages.of(("claim", claim.record.pk, claim.number), claim.attempt)
        fate = _fate(alive, claim.worker, claim.name)
        longest = RUNNING_LIMIT_S + backend.settings.fetch_chunk_s
        if age < (longest if fate == "holds" else DROPPED_AFTER_S):
            return
        if fate == "left" and age < longest and claim.returned < MAX_RETURNS:
            progress.postpone(backend, claim)
            return
        limit = MAX_DEATHS if fate == "died" else backend.settings.max_attempts
        progress.give_back(backend, claim, **WORKER_LOST, limit=limit)

    def _resend_lost(self, backend: Backend, queue_depth: QueueDepth) -> None:
        """Send the messages of chunks again that their queues have lost.

        The work never began, so this is not another try; if both messages arrive after all, the
        second finds the chunk claimed and stops.
        """
        with backend.database.read() as connection:
            sent = chunks.sent(connection)
        for stage, queue in _QUEUE.items():
            mine = [
                (("sent", chunk.import_pk, chunk.number), chunk.sent_at, chunk)
                for chunk in sent
                if chunk.stage == stage
            ]
            lost = self._lost(backend, queue, mine, queue_depth)
            _each(lost, lambda chunk: _send_again(backend, chunk))

    def _lost(
        self,
        backend: Backend,
        queue: str,
        sent: Sequence[tuple[Hashable, Hashable, T]],
        queue_depth: QueueDepth,
    ) -> list[T]:
        """Return the work whose messages a queue has lost, what waits longest first.

        An empty queue has lost all of them. One that holds fewer messages than were sent to it has
        lost some, or a worker has them in hand; so whatever is sent again, it never holds more
        than there is work, however long nobody empties it. What is not sent yet is not lost.

        Args:
            backend: the adapters.
            queue: the name of the queue.
            sent: key, state and work of every message to the queue that nobody has taken up.
            queue_depth: messages waiting in a queue.
        """
        aged = [(self._ages.of(key, state), work) for key, state, work in sent]
        if not any(age >= LOST_AFTER_S for age, _ in aged):
            return []
        with backend.database.read() as connection:
            depth = queue_depth(queue) + outbox.waiting(connection, queue)
        if depth == 0:
            return [work for age, work in aged if age >= LOST_AFTER_S]
        aged.sort(key=lambda each: each[0], reverse=True)
        missing = max(0, len(sent) - depth)
        return [work for age, work in aged[:missing] if age >= LOST_ANYWAY_S]

    def _plan_again(self, backend: Backend, alive: Alive, queue_depth: QueueDepth) -> None:
        """Start planning again where it stopped, or fail the import after too many tries."""
        with backend.database.read() as connection:
            unplanned = imports.unplanned(connection)
        waiting = [
            (("plan", record.pk), record.attempt, record)
            for record in unplanned
            if record.planner is None
        ]
        lost = self._lost(backend, PLAN, waiting, queue_depth)
        begun = [record for record in unplanned if record.planner is not None]
        _each(lost, lambda record: _plan_anew(backend, record))
        _each(begun, lambda record: self._look_at_plan(backend, alive, record))

    def _look_at_plan(self, backend: Backend, alive: Alive, record: Import) -> None:
        age = self._ages.of(("plan", record.pk), (record.attempt, record.planner))
        fate = _fate(alive, record.planner, plan_name(record.id, record.attempt))
        if age >= DROPPED_AFTER_S and fate != "holds":
            _give_plan_back(backend, record, died=fate == "died")


def _each(some: Iterable[T], work: Callable[[T], object]) -> None:
    """Do the work for each: what goes wrong with one must not keep the others waiting.

    Raises:
        DependencyUnavailable: it would meet the others too.
    """
    for one in some:
        try:
            work(one)
        except DependencyUnavailable:
            raise
        except Exception:
            log.exception("not_reconciled", of=_named(one))


def _named(one: Claim | SentChunk | Import) -> str:
    if isinstance(one, SentChunk):
        return f"import {one.import_pk}, chunk {one.number}"
    return one.name if isinstance(one, Claim) else one.id


def _send_again(backend: Backend, chunk: SentChunk) -> None:
    with backend.database.write() as connection:
        chunks.send_again(connection, chunk)


def _plan_anew(backend: Backend, record: Import) -> None:
    with backend.database.write() as connection:
        imports.plan_again(connection, record)


def _fate(alive: Alive, worker: str | None, work: str) -> str:
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


def _send_due(backend: Backend) -> None:
    """Send the chunks that were put off until now."""
    with backend.database.read() as connection:
        due = [imports.by_pk(connection, import_pk) for import_pk in chunks.due(connection)]
    _each(due, lambda record: progress.go_on(backend, record))


def _end_waiting(backend: Backend) -> None:
    """End the imports that have waited for a dependency longer than anybody should."""
    before = time.time() - backend.settings.outage_limit_s
    with backend.database.read() as connection:
        waiting = imports.waiting_since(connection, before)
    _each(waiting, lambda record: _give_up(backend, record))


def _give_up(backend: Backend, record: Import) -> None:
    log.error("import_waited_too_long", import_id=record.id, dependency=record.waiting_for)
    detail = (
        f"The {record.waiting_for} did not answer for "
        f"{backend.settings.outage_limit_s / 3600:g} hours. Upload the file again."
    )
    progress.fail_import(backend, record, "waited_too_long", detail)
