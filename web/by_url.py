"""Searches whose picture is named by URL: fetched beside the server's threads, then queued.

The search is recorded at once, and read, waited for and cancelled like any other. If this process
dies meanwhile, it expires.
"""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from visearch.backend import Backend
from visearch.errors import DependencyUnavailable, Overloaded, VisearchError
from visearch.fetching import Failed, Fetched, Outcome, Wanted
from visearch.searches import Failure, SearchQuery
from visearch.store import catalogs
from visearch.store.redis.jobs import SearchJob, SearchRecord, answer_name

log = structlog.get_logger(__name__)

SHARE = 0.8
"""Of a search's time, so much may be spent on fetching its picture."""
_HANDS = 4
"""Threads that queue what has been fetched."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A search by the picture behind a URL."""

    id: str
    url: str
    query: SearchQuery
    request_id: str


class SearchesByUrl:
    """Fetches the pictures of searches, a bounded number at a time."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._slots = threading.BoundedSemaphore(backend.settings.search_fetches)
        self._hands = ThreadPoolExecutor(_HANDS, thread_name_prefix="by-url")

    def begin(self, asked: Asked) -> SearchRecord:
        """Record the search and begin to fetch its picture.

        Raises:
            Overloaded: the pictures of too many searches are being fetched already.
        """
        if not self._slots.acquire(blocking=False):
            raise Overloaded("Too many pictures of searches are being fetched. Try again later.")
        try:
            record = self._backend.jobs.hold(asked.id, asked.query.catalog)
            within_s = SHARE * self._backend.settings.search_deadline_s
            future = self._backend.fetcher.begin(Wanted(asked.url), within_s=within_s)
        except BaseException:
            self._slots.release()
            raise
        # Called in the thread of the fetches, which must not wait for Redis or the database.
        future.add_done_callback(lambda done: self._hands.submit(self._go_on, asked, done))
        return record

    def close(self) -> None:
        """End what is being fetched; the searches fail."""
        self._backend.close_fetcher()
        self._hands.shutdown()

    def _go_on(self, asked: Asked, fetched: Future[Outcome]) -> None:
        with structlog.contextvars.bound_contextvars(request_id=asked.request_id):
            try:
                self._queue(asked, fetched.result())
            except CancelledError:
                stopped = "The server was stopped while it fetched the picture."
                self._fail(asked, DependencyUnavailable(stopped, "the server"))
            except VisearchError as error:
                self._fail(asked, error)
            except Exception:
                log.exception("search_not_queued", search_id=asked.id)
                self._fail(asked, VisearchError("The search failed. Try again."))
            finally:
                self._slots.release()

    def _queue(self, asked: Asked, outcome: Outcome) -> None:
        if isinstance(outcome, Failed):
            raise outcome.error
        assert isinstance(outcome, Fetched), outcome
        digest, query = hashlib.sha256(outcome.data).hexdigest(), asked.query
        with self._backend.database.read() as connection:
            catalog = catalogs.get(connection, query.catalog)
        self._backend.jobs.go_on(
            SearchJob(
                id=asked.id,
                query=query,
                picture=outcome.data,
                digest=digest,
                answer=answer_name(catalog, catalog.revision, catalog.generation, query, digest),
                request_id=asked.request_id,
            )
        )

    def _fail(self, asked: Asked, error: VisearchError) -> None:
        log.info("search_failed", search_id=asked.id, code=error.code, detail=error.detail)
        try:
            body = Failure.of(error).model_dump_json()
            self._backend.jobs.finish(asked.id, "failed", body)
        except VisearchError as lost:  # it expires
            log.warning("search_not_ended", search_id=asked.id, error=lost.detail)
