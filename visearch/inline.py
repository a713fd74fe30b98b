"""The workers' tasks run in the caller's thread, for use without Redis and Celery."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from visearch import contract
from visearch.backend import LoneBackend
from visearch.contract import PlanPayload
from visearch.encoders.protocol import OpenEncoder
from visearch.errors import VisearchError
from visearch.importing import progress
from visearch.importing.decode import decode_chunk
from visearch.importing.embed import embed_chunk
from visearch.importing.plan import plan
from visearch.records import ACTIVE
from visearch.settings import Settings
from visearch.store import chunks, imports, outbox
from visearch.store.schema import imports as imports_table
from visearch.upkeep.compaction import compact_all
from visearch.upkeep.purge import purge

WORKER = "embedded"


class InlineWorker:
    """A queue in memory and the worker that empties it; not thread-safe."""

    def __init__(self, settings: Settings, open_encoder: OpenEncoder) -> None:
        """``open_encoder(spec)`` is asked for a catalog's encoder when the first chunk needs it."""
        self._messages: deque[tuple[str, Mapping[str, Any]]] = deque()
        self._open_encoder = open_encoder
        self.backend = LoneBackend(settings, self._send)

    def work(self) -> None:
        """Run every message until there is none, then compact what needs it."""
        self.backend.flush()
        while self._messages:
            task, payload = self._messages.popleft()
            self._run(task, payload)
        if compact_all(self.backend):
            purge(self.backend)

    def recover(self) -> None:
        """Go on with the imports that a process which was killed here left behind."""
        with self.backend.database.read() as connection:
            running, sent = (
                chunks.in_state(connection, state, time.time()) for state in ("running", "sent")
            )
            query = sa.select(imports_table).where(
                imports_table.c.status.in_(ACTIVE), imports_table.c.planned.is_(sa.false())
            )
            unplanned = connection.execute(query).all()
        for row in running:
            detail = "the process died while it held this picture, on every try"
            lost = {"code": "worker_lost", "detail": detail}
            progress.release(self.backend, row.import_pk, row.chunk, row.stage, row.attempt, **lost)
        with self.backend.database.write() as connection:
            for row in sent:
                chunks.send_again(connection, row)
            for row in unplanned:
                payload = PlanPayload(
                    import_id=row.id, attempt=row.attempt, request_id=row.request_id
                )
                outbox.add(connection, contract.PLAN_IMPORT, payload)
        self.work()

    def _send(self, task: str, payload: Mapping[str, Any], queue: str | None = None) -> None:
        self._messages.append((task, payload))

    def _run(self, task: str, payload: Mapping[str, Any]) -> None:
        name, attempt = payload["import_id"], payload["attempt"]
        if task == contract.PLAN_IMPORT:
            plan(self.backend, name, attempt)
            return
        chunk = payload["chunk"]
        stage = chunks.DECODE if task == contract.DECODE_CHUNK else chunks.EMBED
        try:
            if stage == chunks.DECODE:
                decode_chunk(self.backend, name, chunk, attempt, WORKER)
            else:
                embed_chunk(self.backend, self._open_encoder, name, chunk, attempt, WORKER)
        except VisearchError as error:
            self._release(name, chunk, stage, attempt, error)

    def _release(
        self, import_id: str, chunk: int, stage: str, attempt: int, error: VisearchError
    ) -> None:
        with self.backend.database.read() as connection:
            record = imports.by_id(connection, import_id)
        progress.release(
            self.backend,
            record.pk,
            chunk,
            stage,
            attempt,
            code=error.code,
            detail=error.detail,
        )
