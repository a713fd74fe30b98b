"""Fetches for threads: one event loop in a thread of its own does all the waiting."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from queue import SimpleQueue
from tempfile import SpooledTemporaryFile
from typing import IO, Any, NamedTuple, Self, TypeVar

from visearch.errors import FetchError, UrlTimeout
from visearch.fetching.body import Sink
from visearch.fetching.client import Answer, Client, Progress, Terms
from visearch.fetching.lookup import Lookup, system_lookup
from visearch.fetching.outcome import Failed, Fetched, Limits, Outcome, Saved, Unchanged, Wanted
from visearch.fetching.waits import retry_after_s
from visearch.settings import Settings

T = TypeVar("T")

AHEAD = 256
"""URLs of one call that are fetched, wait for a turn, or wait to be taken: those of a slow host
wait while others pass them."""

_IN_MEMORY = 256 * 1024
"""Bytes of a picture that wait in memory; more are in a file without a name."""


class _Ended(NamedTuple):
    """What has come of one picture; its bytes wait in the file, which has no name."""

    wanted: Wanted
    answer: Answer
    file: IO[bytes]


class Fetcher:
    """Fetches URLs, for any number of threads.

    Make it once per process, because it remembers which hosts are slow, and after a fork, because
    it has a thread. Close it at the end, or use it in a ``with`` block.

    Args:
        settings: where URLs may lead, through which proxy, and the limits.
        limits: other limits than those of the settings.
        lookup: how names are looked up.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        limits: Limits | None = None,
        lookup: Lookup = system_lookup,
    ) -> None:
        self._limits = limits or Limits.of(settings)
        self._file_s = settings.fetch_file_timeout_s
        self._first_wait_s = settings.fetch_retry_s
        self._client = Client(settings, self._limits, lookup)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="fetch")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancel what is under way and close the connections."""
        self._start(self._end()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def fetch(self, wanted: Wanted, *, within_s: float | None = None) -> Outcome:
        """Fetch one picture; ``within_s`` bounds the wait for a turn as well."""
        (outcome,) = self.fetch_many([wanted], within_s=within_s)
        return outcome

    def begin(self, wanted: Wanted, *, within_s: float) -> Future[Outcome]:
        """Begin to fetch one picture; the future has the outcome, and cancelling it ends the fetch.

        What is called when it is done runs in the thread of the loop, and must not wait there.
        """
        terms, until = Terms(self._limits, picture=True), self._loop.time() + within_s

        async def whole() -> Outcome:
            ended = await self._picture(wanted, terms, asyncio.Semaphore(1), until, set())
            if isinstance(ended, Failed):
                return ended
            with ended.file:
                return _outcome(ended)

        return self._start(whole())

    def fetch_many(
        self, wanted: Iterable[Wanted], *, within_s: float | None = None
    ) -> Iterator[Outcome]:
        """Fetch pictures and yield each outcome as it comes, in any order.

        ``wanted`` is read in the caller's thread, a little ahead. In memory are one picture, and
        a bounded part of each that waits to be taken. What ``within_s`` is too short for fails
        with ``url_timeout``. A caller that stops early cancels the rest.

        Raises:
            OSError: the disk for temporary files is full.
        """
        terms = Terms(self._limits, picture=True)
        free = asyncio.Semaphore(self._limits.at_once)
        until = None if within_s is None else self._loop.time() + within_s
        source = iter(wanted)
        running: set[Future[_Ended | Failed]] = set()
        files: set[IO[bytes]] = set()
        done: SimpleQueue[Future[_Ended | Failed]] = SimpleQueue()
        try:
            while True:
                for each in islice(source, AHEAD - len(running)):
                    future = self._start(self._picture(each, terms, free, until, files))
                    running.add(future)
                    future.add_done_callback(done.put)
                if not running:
                    return
                future = done.get()
                running.remove(future)
                ended = future.result()
                if isinstance(ended, Failed):
                    yield ended
                    continue
                with ended.file:
                    outcome = _outcome(ended)
                files.discard(ended.file)
                self._loop.call_soon_threadsafe(free.release)
                yield outcome
        finally:
            for future in running:
                future.cancel()
            self._close_files(files)

    def download(
        self, wanted: Wanted, out: IO[bytes], *, max_bytes: int, within_s: float | None = None
    ) -> Outcome:
        """Fetch a file of any kind into ``out``; unless it is ``Saved``, that holds rubbish."""
        limits = replace(self._limits, max_bytes=max_bytes, whole_s=self._file_s)
        until = None if within_s is None else self._loop.time() + within_s

        async def sink(piece: bytes) -> None:
            await asyncio.to_thread(out.write, piece)  # the disk may be slow

        terms, free = Terms(limits, picture=False), asyncio.Semaphore(1)
        answer = self._start(self._get(wanted, sink, terms, free, until)).result()
        if isinstance(answer, Failed):
            return answer
        if answer.size is None:
            return Unchanged(wanted)
        return Saved(wanted, answer.size, answer.validators)

    async def _picture(
        self,
        wanted: Wanted,
        terms: Terms,
        free: asyncio.Semaphore,
        until: float | None,
        files: set[IO[bytes]],
    ) -> _Ended | Failed:
        with ExitStack() as held:
            spool = held.enter_context(SpooledTemporaryFile(max_size=_IN_MEMORY))

            async def sink(piece: bytes) -> None:
                spool.write(piece)

            answer = await self._get(wanted, sink, terms, free, until)
            if isinstance(answer, Failed):
                return answer
            held.pop_all()
            files.add(spool)
            return _Ended(wanted, answer, spool)

    def _close_files(self, files: set[IO[bytes]]) -> None:
        """Close what nobody takes any more: a picture may end just as it is cancelled.

        The loop gets this after the cancellations, so no file comes after it.
        """

        def close() -> None:
            for file in files:
                file.close()

        if self._loop.is_closed():
            close()
        else:
            self._loop.call_soon_threadsafe(close)

    async def _get(
        self,
        wanted: Wanted,
        sink: Sink,
        terms: Terms,
        free: asyncio.Semaphore,
        until: float | None,
    ) -> Answer | Failed:
        progress = Progress()
        error: FetchError
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            if until is not None and self._loop.time() >= until:
                raise TimeoutError  # the one below would fire only after a first step
            async with asyncio.timeout_at(until):
                return await self._client.get(wanted, sink, terms, free, progress)
        except TimeoutError:
            error = UrlTimeout(
                "There was not enough time left to fetch this URL. Try again later.",
                passes=True,
            )
        except FetchError as refused:
            error = refused
        wait_s = retry_after_s(error, wanted.attempt, self._first_wait_s)
        return Failed(wanted, error, wait_s, progress.tried)

    def _start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _end(self) -> None:
        ours = list(self._tasks)  # and not those that the library makes: it cancels them itself
        for task in ours:
            task.cancel()
        await asyncio.gather(*ours, return_exceptions=True)
        await self._client.close()


def _outcome(ended: _Ended) -> Outcome:
    if ended.answer.size is None:
        return Unchanged(ended.wanted)
    ended.file.seek(0)
    return Fetched(ended.wanted, ended.file.read(), ended.answer.validators)
