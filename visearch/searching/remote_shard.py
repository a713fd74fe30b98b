"""A shard that another worker holds: asked through its queue, answered through a list in Redis.

What has not come at the deadline is left out, and the answer to the search says so.
"""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass

import numpy as np
import structlog

from visearch.backend import Backend
from visearch.contract import SEARCH_SHARD, ShardPayload, ShardQuery, shard_queue
from visearch.errors import VisearchError
from visearch.ids import new_id
from visearch.searching.indexes import Indexes
from visearch.searching.shard import LocalShard, Pending, Question, ShardAnswer, Vector
from visearch.store import changes
from visearch.store.redis.client import answering, await_item, seconds, server_time

log = structlog.get_logger(__name__)

ANSWER_KEPT_S = 30
"""An answer that came too late is forgotten after so long."""


@dataclass(frozen=True)
class RemoteShard:
    """A shard that some shard worker holds."""

    number: int
    backend: Backend

    def ask(self, question: Question, k: int) -> Pending:
        """Send the question to the shard's queue, unless nobody seems to empty it."""
        settings, queue = self.backend.settings, shard_queue(self.number)
        end = time.monotonic() + settings.shard_deadline_s
        with answering(), self.backend.redis.pipeline(transaction=False) as pipe:
            pipe.llen(queue)
            pipe.time()
            waiting, told = pipe.execute()
        if waiting >= settings.search_queue_limit:
            return self._missing
        gather_id, deadline = new_id(), seconds(told) + settings.shard_deadline_s
        query = ShardQuery(
            catalog=question.catalog.name,
            fingerprint=question.catalog.fingerprint,
            vector=pack(question.vector),
            k=k,
            filter=dict(question.filter) if question.filter else None,
        )
        payload = ShardPayload(
            gather_id=gather_id, shard=self.number, query=query, deadline=deadline
        )
        self.backend.send(SEARCH_SHARD, payload, queue)
        return lambda: self._gather(gather_id, end)

    def _gather(self, gather_id: str, end: float) -> ShardAnswer | None:
        # Waiting for another shard may have used up the time in which this one answered.
        text = await_item(self.backend.redis, _key(gather_id), end - time.monotonic())
        return ShardAnswer.from_json(text) if text else self._missing()

    def _missing(self) -> ShardAnswer | None:
        log.warning("shard_missing", shard=self.number)
        return None


def answer(backend: Backend, indexes: Indexes, payload: ShardPayload) -> ShardAnswer | None:
    """Search one shard for another worker and send it the answer.

    None, and nothing is sent, if it is too late, or the shard is not held here, or by
    another encoder than the query's.
    """
    query, number = payload["query"], payload["shard"]
    left = payload["deadline"] - server_time(backend.redis)
    if left <= 0:
        return None
    try:
        snapshot = indexes.get(query["catalog"], left)
    except VisearchError as error:
        log.warning("shard_not_served", shard=number, code=error.code, detail=error.detail)
        return None
    catalog = snapshot.catalog
    if number not in snapshot.parts or catalog.fingerprint != query["fingerprint"]:
        log.warning("shard_not_served", shard=number, catalog=query["catalog"])
        return None
    allowed = None
    if query["filter"]:
        with backend.database.read() as connection:
            allowed = changes.filtered(connection, catalog, query["filter"])
    shard = LocalShard(number, snapshot.parts[number], snapshot.fresh_to)
    found = shard.answer(unpack(query["vector"]), query["k"], allowed)
    key = _key(payload["gather_id"])
    with answering(), backend.redis.pipeline() as pipe:
        pipe.rpush(key, found.to_json())
        pipe.expire(key, ANSWER_KEPT_S)
        pipe.execute()
    return found


def pack(vector: Vector) -> str:
    """Return a vector float32 [d] as text."""
    return base64.b64encode(np.ascontiguousarray(vector, "<f4").tobytes()).decode()


def unpack(text: str) -> Vector:
    """Return what ``pack`` was given."""
    return np.frombuffer(base64.b64decode(text), "<f4")


def _key(gather_id: str) -> str:
    return f"visearch:gather:{gather_id}"
