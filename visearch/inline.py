"""The workers' tasks run in the caller's thread, for use without Redis and Celery."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any, cast

from visearch import contract
from visearch.backend import LoneBackend
from visearch.background import take_steps
from visearch.contract import ChunkPayload, PlanPayload
from visearch.encoders.protocol import OpenEncoder
from visearch.errors import VisearchError
from visearch.importing import progress
from visearch.importing.decode import decode_chunk
from visearch.importing.embed import embed_chunk
from visearch.importing.planning import plan
from visearch.importing.reconcile import WORKER_LOST
from visearch.records import Catalog
from visearch.reindexing.mend import mend
from visearch.settings import Settings
from visearch.store import chunks, claims, imports
from visearch.upkeep.compaction import compact_all
from visearch.upkeep.fitting import Pace, fit_due, fit_now
from visearch.upkeep.purge import purge

WORKER = "embedded"


class InlineWorker:
    """A queue in memory and the worker that empties it; not thread-safe."""

    def __init__(self, settings: Settings, open_encoder: OpenEncoder) -> None:
        """``open_encoder(spec)`` is asked for a catalog's encoder when the first chunk needs it."""
        self._messages: deque[tuple[str, Mapping[str, Any]]] = deque()
        self._open_encoder = open_encoder
        self._pace = Pace()
        self.backend = LoneBackend(settings, self._send)

    def work(self) -> None:
        """Run every message until there is none, then mend, compact and fit what needs it.

        What was put off is waited for.
        """
        while True:
            self.backend.flush()
            while self._messages:
                task, payload = self._messages.popleft()
                self._run(task, payload)
            with self.backend.database.read() as connection:
                wait_s = chunks.next_due_s(connection)
            if wait_s is None:
                break
            time.sleep(wait_s)
            self._send_due()
        mend(self.backend, self._open_encoder, lambda: False)
        if compact_all(self.backend):
            purge(self.backend)
        take_steps("ranking_not_fitted", {"fit": self._fit_all})

    def _fit_all(self) -> None:
        while fit_due(self.backend, self._open_encoder, bool, WORKER, self._pace):
            pass

    def fit(self, catalog: Catalog) -> None:
        """Fit the weights of a catalog now."""
        fit_now(self.backend, catalog, self._open_encoder, WORKER)

    def recover(self) -> None:
        """Go on with the imports that a process which was killed here left behind."""
        with self.backend.database.read() as connection:
            held = claims.running(connection)
            sent = chunks.sent(connection)
            unplanned = imports.unplanned(connection)
        for claim in held:
            progress.give_back(self.backend, claim, **WORKER_LOST)
        with self.backend.database.write() as connection:
            for chunk in sent:
                chunks.send_again(connection, chunk)
            for record in unplanned:
                imports.plan_again(connection, record)
        self.work()

    def _send_due(self) -> None:
        with self.backend.database.read() as connection:
            due = [imports.by_pk(connection, import_pk) for import_pk in chunks.due(connection)]
        for record in due:
            progress.go_on(self.backend, record)

    def _send(self, task: str, payload: Mapping[str, Any], queue: str | None = None) -> None:
        self._messages.append((task, payload))

    def _run(self, task: str, payload: Mapping[str, Any]) -> None:
        if task == contract.PLAN_IMPORT:
            plan(self.backend, cast(PlanPayload, payload), WORKER)
            return
        stage = chunks.DECODE if task == contract.DECODE_CHUNK else chunks.EMBED
        with self.backend.database.write() as connection:
            claim = claims.take(connection, stage, cast(ChunkPayload, payload), WORKER)
        if claim is None:
            return
        try:
            if stage == chunks.DECODE:
                decode_chunk(self.backend, claim)
            else:
                embed_chunk(self.backend, self._open_encoder, claim)
        except VisearchError as error:
            progress.give_back(self.backend, claim, code=error.code, detail=error.detail)
