"""Search jobs in Redis: a record per search that reaches exactly one terminal state.

Keys, all expiring: ``visearch:search:<id>`` (a hash), ``…:picture`` (the query's bytes,
until it is decoded or its deadline passes), ``visearch:seen:<id>`` (outlives the record,
so that "expired" can be told from "never existed"), ``visearch:answer:<digest>`` (cache).
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Any, cast

from visearch.contract import SEARCH, SearchQuery
from visearch.errors import Gone, NotFound, Overloaded
from visearch.records import TERMINAL_SEARCH, Catalog
from visearch.settings import Settings
from visearch.store.redis.client import Client, answering

SEEN_S = 24 * 3600
CACHE_S = 600

# Only a record that is not terminal yet takes a new state: the first one wins. Past its
# deadline a record takes none but "expired", whoever comes first.
_TRANSITION = """
local known = redis.call('HMGET', KEYS[1], 'status', 'deadline')
if known[1] ~= 'queued' and known[1] ~= 'running' then return 0 end
local late = tonumber(ARGV[3]) > tonumber(known[2])
if late then
  redis.call('HSET', KEYS[1], 'status', 'expired', 'finished_at', ARGV[3], 'body', '{}')
else
  redis.call('HSET', KEYS[1], unpack(ARGV, 4))
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('PUBLISH', KEYS[1], ARGV[2])
return late and 0 or 1
"""


@dataclass(frozen=True)
class SearchRecord:
    """A search as stored; times in seconds since the epoch, ``body`` set when terminal."""

    id: str
    status: str
    catalog: str
    created_at: float
    deadline: float
    finished_at: float | None
    body: dict[str, Any]

    @property
    def terminal(self) -> bool:
        """Whether the status is final."""
        return self.status in TERMINAL_SEARCH


class SearchJobs:
    """Accepts, moves and reads searches. Raises DependencyUnavailable without Redis."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._redis, self._settings = client, settings
        self._move = client.register_script(_TRANSITION)

    def accept(self, search_id: str, catalog: str, picture: bytes | None) -> SearchRecord:
        """Write a queued search and its picture.

        Raises:
            Overloaded: too many searches are waiting already.
        """
        at = time.time()
        deadline = at + self._settings.search_deadline_s
        with answering():
            if self._redis.llen(SEARCH) >= self._settings.search_queue_limit:
                raise Overloaded("too many searches are waiting; try again in a second")
            self._write(search_id, "queued", catalog, at, deadline, picture)
        return SearchRecord(search_id, "queued", catalog, at, deadline, None, {})

    def accept_answered(self, search_id: str, catalog: str, body: dict[str, Any]) -> SearchRecord:
        """Write a search that is already answered (from the cache)."""
        at = time.time()
        deadline = at + self._settings.search_deadline_s
        with answering():
            self._write(search_id, "queued", catalog, at, deadline, None)
        self.finish(search_id, "succeeded", body)
        return self.read(search_id)

    def _write(
        self,
        search_id: str,
        status: str,
        catalog: str,
        at: float,
        deadline: float,
        picture: bytes | None,
    ) -> None:
        key = _key(search_id)
        fields = {"status": status, "catalog": catalog, "created_at": at, "deadline": deadline}
        keep = int(self._settings.search_deadline_s) + self._settings.search_retention_s
        with self._redis.pipeline() as pipe:
            pipe.hset(key, mapping=cast(dict[Any, Any], fields))
            pipe.expire(key, keep)
            pipe.set(f"visearch:seen:{search_id}", catalog, ex=max(SEEN_S, keep + 60))
            if picture is not None:
                pipe.set(f"{key}:picture", picture, ex=int(self._settings.search_deadline_s) + 5)
            pipe.execute()

    def withdraw(self, search_id: str) -> None:
        """Forget a search that could not be queued."""
        key = _key(search_id)
        with answering():
            self._redis.delete(key, f"{key}:picture", f"visearch:seen:{search_id}")

    def picture(self, search_id: str) -> bytes | None:
        """Take the query's bytes; None if they are gone."""
        with answering():
            return cast("bytes | None", self._redis.getdel(f"{_key(search_id)}:picture"))

    def start(self, search_id: str) -> bool:
        """queued → running; False if the search is terminal, too late or unknown."""
        return self._transition(search_id, "running", "status", "running")

    def finish(self, search_id: str, status: str, body: dict[str, Any]) -> bool:
        """Reach a terminal state; False if it has one already, or is ``expired`` by now."""
        text = json.dumps(body)
        return self._transition(
            search_id, status, "status", status, "finished_at", time.time(), "body", text
        )

    def _transition(self, search_id: str, event: str, *fields: Any) -> bool:
        keep = self._settings.search_retention_s
        if event == "running":
            keep += int(self._settings.search_deadline_s)
        with answering():
            return bool(
                self._move(keys=[_key(search_id)], args=[keep, event, time.time(), *fields])
            )

    def read(self, search_id: str) -> SearchRecord:
        """Return a search; one past its deadline is expired by this very look.

        Raises:
            NotFound: never heard of it.
            Gone: its retention is over.
        """
        record = self._load(search_id)
        if not record.terminal and time.time() > record.deadline:
            self.finish(search_id, "expired", {})
            record = self._load(search_id)
        return record

    def _load(self, search_id: str) -> SearchRecord:
        with answering():
            fields = cast(dict[bytes, bytes], self._redis.hgetall(_key(search_id)))
            if not fields:
                if self._redis.exists(f"visearch:seen:{search_id}"):
                    raise Gone("this search is over and its result is no longer kept")
                raise NotFound(f"there is no search {search_id!r}")
        value = {name.decode(): text.decode() for name, text in fields.items()}
        finished = value.get("finished_at")
        return SearchRecord(
            id=search_id,
            status=value["status"],
            catalog=value["catalog"],
            created_at=float(value["created_at"]),
            deadline=float(value["deadline"]),
            finished_at=float(finished) if finished else None,
            body=json.loads(value.get("body", "{}")),
        )

    def wait(self, search_id: str, seconds: float) -> SearchRecord:
        """Return the search as soon as it is terminal, or as it is after ``seconds``."""
        end = time.monotonic() + seconds
        with answering(), self._redis.pubsub(ignore_subscribe_messages=True) as events:
            events.subscribe(_key(search_id))
            record = self.read(search_id)
            while not record.terminal and (left := end - time.monotonic()) > 0:
                events.get_message(timeout=min(left, 1.0))
                record = self.read(search_id)
        return record

    def cached(self, key: str) -> dict[str, Any] | None:
        """Return a cached answer."""
        with answering():
            text = cast("bytes | None", self._redis.get(f"visearch:answer:{key}"))
        return json.loads(text) if text else None

    def cache(self, key: str, body: dict[str, Any]) -> None:
        """Cache an answer for ten minutes."""
        with answering():
            self._redis.set(f"visearch:answer:{key}", json.dumps(body), ex=CACHE_S)


def answer_key(
    catalog: Catalog, revision: int, generation: str | None, query: SearchQuery, picture: str
) -> str:
    """Name the answer to ``query`` at one revision of a catalog, from one generation.

    ``picture`` is the SHA-256 of the query's bytes. Every visible change of the catalog
    makes a new revision, so a cached answer is never stale; and pages of one search come from
    one generation, cached or not.
    """
    parts = [catalog.pk, catalog.fingerprint, revision, generation, query, picture]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _key(search_id: str) -> str:
    return f"visearch:search:{search_id}"
