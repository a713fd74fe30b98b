"""Search jobs in Redis: a record per search that reaches exactly one terminal state.

Keys, all expiring: ``visearch:search:2:<id>`` (a hash), ``…:picture`` (the query's bytes, until a
worker takes them or the deadline passes), ``visearch:seen:<id>`` (outlives the record, so that
"expired" can be told from "never existed"), ``visearch:answer:<digest>`` (cache).

A search costs four round trips beside the queue's own: accept, take, finish, read.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

from visearch.contract import SEARCH
from visearch.errors import Gone, NotFound, Overloaded
from visearch.records import TERMINAL_SEARCH, Catalog
from visearch.searches import SearchQuery
from visearch.settings import Settings
from visearch.store.redis.bell import Bell
from visearch.store.redis.client import Client, answering

SEEN_S = 24 * 3600
CACHE_S = 600
LOOK_S = 1.0
"""How often a search is read while it is waited for, should its announcement be lost."""

CHANNEL = "visearch:searches"
"""Each message is the id of a search that has just reached a terminal state."""

# A search whose answer is cached is finished at once. Returns the answer, "" if the search was
# queued, or nil if too many are waiting.
_ACCEPT = """
local body = redis.call('GET', KEYS[3])
if not body and redis.call('LLEN', KEYS[4]) >= tonumber(ARGV[1]) then return nil end
redis.call('SET', KEYS[2], '', 'EX', ARGV[3])
if body then
  redis.call('HSET', KEYS[1], 'status', 'succeeded', 'cached', '1', 'finished_at', ARGV[6],
             'body', body, unpack(ARGV, 8))
  redis.call('EXPIRE', KEYS[1], ARGV[4])
  return body
end
redis.call('HSET', KEYS[1], 'status', 'queued', unpack(ARGV, 8))
redis.call('EXPIRE', KEYS[1], ARGV[2])
if ARGV[5] ~= '' then
  redis.call('SET', KEYS[1] .. ':picture', ARGV[5], 'EX', ARGV[7])
end
return ''
"""

# Only a record that is not terminal yet takes a new state: the first one wins. Past its
# deadline a record takes none but "expired", whoever comes first.
_MOVE = """
local known = redis.call('HMGET', KEYS[1], 'status', 'deadline')
if known[1] ~= 'queued' and known[1] ~= 'running' then return 0 end
local late = tonumber(ARGV[1]) > tonumber(known[2])
if late then
  redis.call('HSET', KEYS[1], 'status', 'expired', 'finished_at', ARGV[1])
else
  redis.call('HSET', KEYS[1], unpack(ARGV, 4))
end
if late or ARGV[5] ~= 'running' then
  redis.call('EXPIRE', KEYS[1], ARGV[2])
  redis.call('PUBLISH', ARGV[3], string.match(KEYS[1], '[^:]+$'))
end
return late and 0 or 1
"""

_TAKE = f"""
local function move() {_MOVE} end
if move() == 0 then return {{0}} end
return {{1, redis.call('GETDEL', KEYS[1] .. ':picture')}}
"""

# The answer is cached whatever became of the search: it is right.
_FINISH = f"""
local function move() {_MOVE} end
if KEYS[2] then redis.call('SET', KEYS[2], ARGV[#ARGV], 'EX', {CACHE_S}) end
return move()
"""


@dataclass(frozen=True, kw_only=True)
class SearchRecord:
    """A search as stored; times in seconds since the epoch.

    ``body`` is JSON: the ``Answer`` of a succeeded search, the reason of a failed one.
    """

    id: str
    status: str
    catalog: str
    created_at: float
    deadline: float
    finished_at: float | None = None
    cached: bool = False
    body: bytes = b"{}"

    @property
    def terminal(self) -> bool:
        """Whether the status is final."""
        return self.status in TERMINAL_SEARCH


@dataclass(frozen=True)
class Taken:
    """A search that a worker has begun; ``picture`` is None if it has none, or it was lost."""

    picture: bytes | None


class SearchJobs:
    """Accepts, moves and reads searches. Raises DependencyUnavailable without Redis."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._redis, self._settings = client, settings
        self._bell = Bell(client, CHANNEL)
        self._accept, self._take, self._finish = (
            client.register_script(text) for text in (_ACCEPT, _TAKE, _FINISH)
        )

    def accept(
        self, search_id: str, catalog: str, picture: bytes | None, answer: str
    ) -> SearchRecord:
        """Write a search: finished if the answer named ``answer`` is cached, else queued.

        Raises:
            Overloaded: too many searches are waiting already.
        """
        settings, at = self._settings, time.time()
        deadline = at + settings.search_deadline_s
        within, retention = int(settings.search_deadline_s), settings.search_retention_s
        keep = within + retention
        arguments: list[Any] = [settings.search_queue_limit, keep, max(SEEN_S, keep + 60)]
        arguments += [retention, picture or b"", at, within + 5]
        arguments += ["catalog", catalog, "created_at", at, "deadline", deadline]
        keys = [_key(search_id), _seen(search_id), _answer(answer), SEARCH]
        with answering():
            body = cast("bytes | None", self._accept(keys=keys, args=arguments))
        if body is None:
            raise Overloaded("Too many searches are waiting. Try again in a second.")
        queued = SearchRecord(
            id=search_id, status="queued", catalog=catalog, created_at=at, deadline=deadline
        )
        if not body:
            return queued
        return replace(queued, status="succeeded", finished_at=at, cached=True, body=body)

    def withdraw(self, search_id: str) -> None:
        """Forget a search that could not be queued."""
        key = _key(search_id)
        with answering():
            self._redis.delete(key, f"{key}:picture", _seen(search_id))

    def take(self, search_id: str) -> Taken | None:
        """queued → running; None if the search is terminal, too late or unknown."""
        keep = int(self._settings.search_deadline_s) + self._settings.search_retention_s
        arguments: list[Any] = [time.time(), keep, CHANNEL, "status", "running"]
        with answering():
            taken, *picture = cast("list[Any]", self._take(keys=[_key(search_id)], args=arguments))
        return Taken(picture[0] if picture else None) if taken else None

    def finish(
        self, search_id: str, status: str, body: str = "{}", *, answer: str | None = None
    ) -> bool:
        """Reach a terminal state; False if it has one already, or is ``expired`` by now.

        With ``answer``, the name of the answer, ``body`` is cached under it.
        """
        at = time.time()
        arguments: list[Any] = [at, self._settings.search_retention_s, CHANNEL]
        arguments += ["status", status, "finished_at", at, "body", body]
        keys = [_key(search_id)] + ([_answer(answer)] if answer is not None else [])
        with answering():
            return bool(self._finish(keys=keys, args=arguments))

    def read(self, search_id: str) -> SearchRecord:
        """Return a search; one past its deadline is expired by this very look.

        Raises:
            NotFound: never heard of it.
            Gone: its retention is over.
        """
        record = self._load(search_id)
        if not record.terminal and time.time() > record.deadline:
            self.finish(search_id, "expired")
            record = self._load(search_id)
        return record

    def _load(self, search_id: str) -> SearchRecord:
        with answering():
            fields = cast(dict[bytes, bytes], self._redis.hgetall(_key(search_id)))
            if not fields:
                if self._redis.exists(_seen(search_id)):
                    raise Gone("This search is over, and its result is no longer kept.")
                raise NotFound(f"There is no search {search_id!r}.")
        finished = fields.get(b"finished_at")
        return SearchRecord(
            id=search_id,
            status=fields[b"status"].decode(),
            catalog=fields[b"catalog"].decode(),
            created_at=float(fields[b"created_at"]),
            deadline=float(fields[b"deadline"]),
            finished_at=float(finished) if finished else None,
            cached=b"cached" in fields,
            body=fields.get(b"body", b"{}"),
        )

    @contextmanager
    def watch(self, search_id: str) -> Iterator[Callable[[float], SearchRecord]]:
        """Yield ``wait(seconds)``: the search as soon as it is terminal, or as it is by then.

        Entered before the search is queued, it misses no announcement.
        """
        with self._bell.listen(search_id) as rung:

            def wait(seconds: float) -> SearchRecord:
                end = time.monotonic() + seconds
                while (left := end - time.monotonic()) > 0:
                    rung.wait(min(left, LOOK_S))
                    rung.clear()
                    if (record := self.read(search_id)).terminal:
                        return record
                return self.read(search_id)

            yield wait


def answer_name(
    catalog: Catalog, revision: int, generation: str | None, query: SearchQuery, picture: str
) -> str:
    """Name the answer to ``query`` at one revision of a catalog, from one generation.

    ``picture`` is the SHA-256 of the query's bytes. Every visible change of the catalog
    makes a new revision, so a cached answer is never stale; and pages of one search come from
    one generation, cached or not.
    """
    parts = [catalog.pk, catalog.fingerprint, revision, generation, picture]
    return hashlib.sha256(f"{json.dumps(parts)}{query.model_dump_json()}".encode()).hexdigest()


def _key(search_id: str) -> str:
    # The number is that of the record's form: one that was written before is not read.
    return f"visearch:search:2:{search_id}"


def _seen(search_id: str) -> str:
    return f"visearch:seen:{search_id}"


def _answer(name: str) -> str:
    return f"visearch:answer:{name}"
