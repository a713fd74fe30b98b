"""Search jobs in Redis: a record per search that reaches exactly one terminal state.

Keys, all expiring: ``visearch:search:3:<id>`` (a hash) and ``visearch:seen:<id>`` (outlives the
record, so that "expired" can be told from "never existed"); those of pictures and answers, and what
happens to all of them, are in ``visearch/store/redis/scripts.py``.

Searches that ask for the same answer at a time are one job: the first leads and is computed, the
others follow. They share the leader's answer, or its failure if the picture is to blame; else
the next of them leads.

A search costs four round trips beside the queue's own: accept, take, finish, read. Every time is
one of Redis's clock: those of the machines need not agree.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import structlog

from visearch.contract import RUN_SEARCH, SEARCH, SearchPayload
from visearch.errors import DependencyUnavailable, Gone, NotFound, Overloaded
from visearch.records import TERMINAL_SEARCH, Catalog
from visearch.searches import SearchQuery
from visearch.settings import Settings
from visearch.store.outbox import Send
from visearch.store.redis import scripts
from visearch.store.redis.bell import Bell
from visearch.store.redis.client import Client, answering

log = structlog.get_logger(__name__)

SEEN_S = 3600
"""How long it is known of a search that it was there, after its result is gone."""

CACHE_S = 600
LOOK_S = 1.0
"""How often a search is read while it is waited for, should its announcement be lost."""

CHANNEL, CANCELLED = "visearch:searches", "visearch:cancelled"
"""Each message is the id of a search that has just reached a terminal state; that was cancelled
while it was computed."""

_GONE = "This search is over, and its result is no longer kept."
_TOO_MANY = {
    b"searches": "Too many searches are waiting. Try again in a second.",
    b"pictures": "The pictures of the searches that are waiting take too much memory. Try again in "
    "a second.",
}


@dataclass(frozen=True, kw_only=True)
class SearchJob:
    """A search to be accepted; ``answer`` names what it asks for (``answer_name``)."""

    id: str
    query: SearchQuery
    picture: bytes | None
    digest: str
    answer: str
    request_id: str


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


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A search that a worker has begun, how long it may still take and how long it has waited.

    ``picture`` is None if it has none, or it was lost.
    """

    query: SearchQuery
    digest: str
    picture: bytes | None
    request_id: str
    left_s: float
    waited_s: float


class SearchJobs:
    """Accepts, moves and reads searches; ``send`` queues them.

    Raises DependencyUnavailable without Redis, and Overloaded where Redis is full.
    """

    def __init__(self, client: Client, settings: Settings, send: Send) -> None:
        self._settings, self._send = settings, send
        self._ended, self._cancelled = Bell(client, CHANNEL), Bell(client, CANCELLED)
        self._hold = client.register_script(scripts.HOLD)
        self._accept = client.register_script(scripts.ACCEPT)
        self._withdraw = client.register_script(scripts.WITHDRAW)
        self._take = client.register_script(scripts.TAKE)
        self._finish = client.register_script(scripts.FINISH)
        self._forget = client.register_script(scripts.FORGET)
        self._read = client.register_script(scripts.READ)

    def accept(self, new: SearchJob) -> SearchRecord:
        """Write a search: finished if its answer is cached, else queued, or behind its like.

        Raises:
            Overloaded: too many searches are waiting already, or too large ones.
        """
        word, created, deadline, body = self._enter(new, held=False)
        if word == b"queued":
            self._queue(new)
        at, cached = float(created) / 1e3, word == b"succeeded"
        return SearchRecord(
            id=new.id,
            status="succeeded" if cached else "queued",
            catalog=new.query.catalog,
            created_at=at,
            deadline=float(deadline) / 1e3,
            finished_at=at if cached else None,
            cached=cached,
            body=body if cached else b"{}",
        )

    def hold(self, search_id: str, catalog: str) -> SearchRecord:
        """Write a search that has no picture yet; ``go_on`` or ``finish`` follows."""
        arguments = [*self._about(search_id), catalog, self._seen_ms()]
        with answering():
            created, deadline = cast("list[bytes]", self._hold(args=arguments))
        at, till = float(created) / 1e3, float(deadline) / 1e3
        return SearchRecord(
            id=search_id, status="queued", catalog=catalog, created_at=at, deadline=till
        )

    def go_on(self, new: SearchJob) -> None:
        """Go on with a search that was held as if it were accepted now, unless it is over.

        Raises:
            Overloaded: too many searches are waiting already, or too large ones; it is still held.
        """
        if self._enter(new, held=True)[0] == b"queued":
            self._send(RUN_SEARCH, SearchPayload(search_id=new.id, request_id=new.request_id))

    def _enter(self, new: SearchJob, *, held: bool) -> tuple[bytes, bytes, bytes, bytes]:
        """Enter a search into its job; returns what became of it, its times and its answer."""
        settings = self._settings
        query = {"query": new.query.model_dump(mode="json", exclude_defaults=True)}
        arguments = [*self._about(new.id), new.answer, new.query.catalog]
        arguments += [json.dumps({**query, "digest": new.digest}), new.request_id]
        arguments += [new.picture or b"", settings.search_queue_limit]
        arguments += [settings.search_queue_bytes, self._seen_ms(), int(held)]
        with answering():
            word, created, deadline, body, chosen = cast(
                "list[Any]", self._accept(keys=[SEARCH], args=arguments)
            )
        self._queue_again(chosen)
        if word in _TOO_MANY:
            raise Overloaded(_TOO_MANY[word])
        return word, created, deadline, body

    def forget(self, search_id: str) -> None:
        """Make room of the answer that a search computed, for those of shoppers."""
        with answering():
            self._forget(args=self._about(search_id))

    def take(self, search_id: str) -> Taken | None:
        """queued → running; None if its turn is over, or was never: it is begun only once."""
        with answering():
            chosen, *taken = cast("list[Any]", self._take(args=self._about(search_id)))
        self._queue_again(chosen)
        if not taken:
            return None
        left, waited, asked, request_id, picture = taken
        told = json.loads(asked)
        return Taken(
            query=SearchQuery.model_validate(told["query"]),
            digest=told["digest"],
            picture=picture,
            request_id=request_id.decode(),
            left_s=left / 1e3,
            waited_s=waited / 1e3,
        )

    def finish(
        self,
        search_id: str,
        status: str,
        body: str = "{}",
        *,
        answer: str | None = None,
        shared: bool = False,
    ) -> bool:
        """Reach a terminal state; False if it has one already, or is ``expired`` by now.

        With ``answer``, the name of the answer, ``body`` is cached under it. An answer, or a
        failure that is ``shared``, is also that of the searches that follow this one.
        """
        arguments = [*self._about(search_id), status, body, answer or "", int(shared)]
        arguments += [self._settings.answers_bytes, CACHE_S * 1000]
        with answering():
            moved, chosen = cast("list[Any]", self._finish(args=arguments))
        self._queue_again(chosen)
        return bool(moved)

    def read(self, search_id: str) -> SearchRecord:
        """Return a search; one past its deadline is expired by this very look.

        Raises:
            NotFound: never heard of it.
            Gone: its retention is over, or newer answers have taken its answer's place.
        """
        with answering():
            chosen, *found = cast("list[Any]", self._read(args=self._about(search_id)))
        self._queue_again(chosen)
        if len(found) == 1:
            raise Gone(_GONE) if found[0] else NotFound(f"There is no search {search_id!r}.")
        (status, catalog, created, deadline, finished, cached, failure, _), answer = found
        if status == b"succeeded" and answer is None:
            raise Gone(_GONE)
        return SearchRecord(
            id=search_id,
            status=status.decode(),
            catalog=catalog.decode(),
            created_at=float(created) / 1e3,
            deadline=float(deadline) / 1e3,
            finished_at=float(finished) / 1e3 if finished else None,
            cached=cached is not None,
            body=answer or failure or b"{}",
        )

    @contextmanager
    def watch(self, search_id: str) -> Iterator[Callable[[float], SearchRecord]]:
        """Yield ``wait(seconds)``: the search as soon as it is terminal, or as it is by then.

        Entered before the search is accepted, it misses no announcement.
        """
        with self._ended.listen(search_id) as rung:

            def wait(seconds: float) -> SearchRecord:
                end = time.monotonic() + seconds
                while (left := end - time.monotonic()) > 0:
                    rung.wait(min(left, LOOK_S))
                    rung.clear()
                    if (record := self.read(search_id)).terminal:
                        return record
                return self.read(search_id)

            yield wait

    @contextmanager
    def cancellation(self, search_id: str) -> Iterator[Callable[[], bool]]:
        """Yield ``cancelled()``: whether the search was cancelled since; entered before ``take``.

        Only a hint, which costs no round trip: it may be lost, and the search be computed in vain.
        """
        with self._cancelled.listen(search_id, patience_s=0.0) as rung:
            yield rung.is_set

    def _queue(self, new: SearchJob) -> None:
        try:
            self._send(RUN_SEARCH, SearchPayload(search_id=new.id, request_id=new.request_id))
        except (DependencyUnavailable, Overloaded):
            with answering():
                self._withdraw(args=[*self._about(new.id)])
            raise

    def _queue_again(self, chosen: list[bytes]) -> None:
        """Queue a follower whose turn to lead has come; if that fails, it expires."""
        if not chosen:
            return
        search_id, request_id = (each.decode() for each in chosen)
        try:
            self._send(RUN_SEARCH, SearchPayload(search_id=search_id, request_id=request_id))
        except (DependencyUnavailable, Overloaded) as error:
            log.warning("search_not_queued_again", search_id=search_id, error=error.detail)

    def _about(self, search_id: str) -> list[Any]:
        """Return the arguments that every script takes first."""
        settings = self._settings
        return [
            search_id,
            settings.search_retention_s * 1000,
            int(settings.search_deadline_s * 1000),
        ]

    def _seen_ms(self) -> int:
        settings = self._settings
        return int((settings.search_deadline_s + settings.search_retention_s + SEEN_S) * 1000)


def answer_name(
    catalog: Catalog, revision: int, generation: str | None, query: SearchQuery, picture: str
) -> str:
    """Name the answer to ``query`` at one revision of a catalog, from one generation.

    ``picture`` is the SHA-256 of the query's bytes. Every visible change of the catalog
    makes a new revision, and its weights are part of the name, so a cached answer is never stale;
    and pages of one search come from one generation, cached or not.
    """
    weights = catalog.weights and sorted(catalog.weights.items())
    parts = [catalog.pk, catalog.fingerprint, weights, revision, generation, picture]
    return hashlib.sha256(f"{json.dumps(parts)}{query.model_dump_json()}".encode()).hexdigest()
