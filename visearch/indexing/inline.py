"""The workers' tasks run in the caller's thread, for use without Redis and Celery."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from visearch import contract
from visearch.errors import VisearchError
from visearch.indexing import progress
from visearch.indexing.compaction import compact_all
from visearch.indexing.decode import decode_chunk
from visearch.indexing.embed import OpenEncoder, embed_chunk
from visearch.indexing.pipeline import Pipeline
from visearch.indexing.plan import plan
from visearch.settings import Settings
from visearch.store import chunks, imports
from visearch.store.blobs import Blobs
from visearch.store.database import Database

WORKER = "embedded"


class InlineWorker:
    """A queue in memory and the worker that empties it; not thread-safe."""

    def __init__(
        self, database: Database, blobs: Blobs, settings: Settings, open_encoder: OpenEncoder
    ) -> None:
        """``open_encoder(spec)`` is asked for a catalog's encoder when the first chunk needs it."""
        self._messages: deque[tuple[str, Mapping[str, Any]]] = deque()
        self._open_encoder = open_encoder
        self.pipeline = Pipeline(database, blobs, settings, self._send, lambda _: None)

    def work(self) -> None:
        """Run every message until there is none, then compact what needs it."""
        self.pipeline.flush()
        while self._messages:
            task, payload = self._messages.popleft()
            self._run(task, payload)
        compact_all(self.pipeline)

    def _send(self, task: str, payload: Mapping[str, Any]) -> None:
        self._messages.append((task, payload))

    def _run(self, task: str, payload: Mapping[str, Any]) -> None:
        name, attempt = payload["import_id"], payload["attempt"]
        if task == contract.PLAN_IMPORT:
            plan(self.pipeline, name, attempt)
            return
        chunk = payload["chunk"]
        stage = chunks.DECODE if task == contract.DECODE_CHUNK else chunks.EMBED
        try:
            if stage == chunks.DECODE:
                decode_chunk(self.pipeline, name, chunk, attempt, WORKER)
            else:
                embed_chunk(self.pipeline, self._open_encoder, name, chunk, attempt, WORKER)
        except VisearchError as error:
            self._release(name, chunk, stage, attempt, error)

    def _release(
        self, import_id: str, chunk: int, stage: str, attempt: int, error: VisearchError
    ) -> None:
        with self.pipeline.database.read() as connection:
            record = imports.by_id(connection, import_id)
        progress.release(
            self.pipeline,
            record.pk,
            chunk,
            stage,
            attempt,
            code=error.code,
            detail=error.detail,
        )
