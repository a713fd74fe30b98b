"""Catalogs in shards: who holds which, how a query reaches all of them, how answers join.

A picture's shard is its key modulo the catalog's number of shards. A query goes to the queue
of every shard that its worker does not hold, and the answers come back through a list in Redis;
who has not answered at the deadline is left out, and the answer says so.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import structlog

from visearch.contract import SEARCH_SHARD, ShardPayload, ShardQuery, shard_queue
from visearch.errors import VisearchError
from visearch.ids import new_id
from visearch.index.live import LiveIndex
from visearch.records import Catalog, Neighbour
from visearch.searching.indexes import Indexes, Snapshot
from visearch.store import changes
from visearch.store.database import Database
from visearch.store.redis.client import Client, answering

log = structlog.get_logger(__name__)

Vector = npt.NDArray[np.float32]
ANSWER_KEPT_S = 30
"""An answer that came too late is forgotten after so long."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one shard answers: its nearest, how many pictures it holds, and of which state."""

    shard: int
    neighbours: list[Neighbour]
    size: int
    revision: int
    fresh_to: datetime

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self) | {"fresh_to": self.fresh_to.isoformat()})

    @classmethod
    def from_json(cls, text: bytes) -> Part:
        """Read what ``to_json`` wrote."""
        body = json.loads(text)
        body["neighbours"] = [Neighbour(*each) for each in body["neighbours"]]
        return cls(**body | {"fresh_to": datetime.fromisoformat(body["fresh_to"])})


Scatter = Callable[[Catalog, Iterable[int], ShardQuery, float], list[Part]]
"""``scatter(catalog, shards, query, seconds)`` asks other workers; returns who answered in time."""


def ask_nobody(catalog: Catalog, shards: Iterable[int], query: ShardQuery, s: float) -> list[Part]:
    """Be the scatter of a process that holds every shard."""
    return []


def search_part(snapshot: Snapshot, shard: int, vector: Vector, k: int, allowed: Any) -> Part:
    """Search one shard that this worker holds; ``allowed`` int64 [r] are the keys that count."""
    index: LiveIndex = snapshot.parts[shard]
    return Part(
        shard=shard,
        neighbours=index.search(vector, k, allowed=allowed),
        size=index.size,
        revision=index.revision,
        fresh_to=snapshot.fresh_to,
    )


def joined(parts: list[Part], k: int) -> list[Neighbour]:
    """Return the k nearest of all shards, best first, ties by lower key.

    A shard may rank a late find behind worse ones (``LiveIndex.search``); it stays there, so
    that pages agree.
    """
    if len(parts) == 1:
        return parts[0].neighbours[:k]
    ranked = []
    for part in parts:
        place = np.inf
        for neighbour in part.neighbours:
            place = min(place, neighbour.score)
            ranked.append((-place, neighbour.image, neighbour))
    return [neighbour for *_, neighbour in sorted(ranked)[:k]]


def pack(vector: Vector) -> str:
    """Return a vector float32 [d] as text."""
    return base64.b64encode(np.ascontiguousarray(vector, "<f4").tobytes()).decode()


def unpack(text: str) -> Vector:
    """Return what ``pack`` was given."""
    return np.frombuffer(base64.b64decode(text), "<f4")


class Gatherer:
    """Sends a query to shard queues and gathers the answers."""

    def __init__(
        self, client: Client, send: Callable[[str, Mapping[str, Any], str], None], queue_limit: int
    ) -> None:
        self._redis, self._send, self._limit = client, send, queue_limit

    def __call__(
        self, catalog: Catalog, shards: Iterable[int], query: ShardQuery, seconds: float
    ) -> list[Part]:
        """Ask ``shards`` and return who answered within ``seconds``."""
        gather_id, end = new_id(), time.time() + seconds
        payload = ShardPayload(gather_id=gather_id, shard=-1, query=query, deadline=end)
        asked = set()
        for shard in self._served(shards):
            self._send(SEARCH_SHARD, payload | {"shard": shard}, shard_queue(shard))
            asked.add(shard)
        found: dict[int, Part] = {}
        while asked - found.keys():
            part = self._next(gather_id, end - time.time())
            if part is None:
                break
            found[part.shard] = part
        if missing := set(shards) - found.keys():
            log.warning("shards_missing", catalog=catalog.name, shards=sorted(missing))
        return list(found.values())

    def _served(self, shards: Iterable[int]) -> list[int]:
        """Leave out the shards whose queue nobody seems to empty."""
        names = list(shards)
        with answering(), self._redis.pipeline(transaction=False) as pipe:
            for shard in names:
                pipe.llen(shard_queue(shard))
            depths = pipe.execute()
        return [shard for shard, depth in zip(names, depths, strict=True) if depth < self._limit]

    def _next(self, gather_id: str, seconds: float) -> Part | None:
        if seconds <= 0:
            return None
        with answering():
            got = self._redis.blpop([_key(gather_id)], timeout=seconds)
        return None if got is None else Part.from_json(cast("tuple[bytes, bytes]", got)[1])


def answer(
    client: Client, database: Database, indexes: Indexes, payload: ShardPayload
) -> Part | None:
    """Search one shard for another worker and send it the answer.

    None, and nothing is sent, if it is too late, or the shard is not held here, or by
    another encoder than the query's.
    """
    query, shard = payload["query"], payload["shard"]
    if time.time() > payload["deadline"]:
        return None
    try:
        snapshot = indexes.get(query["catalog"])
    except VisearchError as error:
        log.warning("shard_not_served", shard=shard, code=error.code, detail=error.detail)
        return None
    if shard not in snapshot.parts or snapshot.catalog.fingerprint != query["fingerprint"]:
        log.warning("shard_not_served", shard=shard, catalog=query["catalog"])
        return None
    allowed = allowed_keys(database, snapshot.catalog, query["filter"])
    part = search_part(snapshot, shard, unpack(query["vector"]), query["k"], allowed)
    key = _key(payload["gather_id"])
    with answering(), client.pipeline() as pipe:
        pipe.rpush(key, part.to_json())
        pipe.expire(key, ANSWER_KEPT_S)
        pipe.execute()
    return part


def allowed_keys(
    database: Database, catalog: Catalog, where: Mapping[str, Any] | None
) -> npt.NDArray[np.int64] | None:
    """Return the keys of the pictures that pass a filter; None without one.

    Raises:
        InvalidRequest: the filter is malformed.
    """
    if not where:
        return None
    with database.read() as connection:
        return changes.filtered(connection, catalog, where)


def _key(gather_id: str) -> str:
    return f"visearch:gather:{gather_id}"
