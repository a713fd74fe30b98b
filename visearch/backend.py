"""The adapters behind a process: one place makes them, from its settings and a way to send."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Self, TypeVar, overload

import structlog

from visearch import contract
from visearch.errors import DependencyUnavailable, Overloaded
from visearch.fetching import Fetcher
from visearch.images import Limits
from visearch.images.decoders.pool import DecoderPool
from visearch.images.order import Decoders, DecodersHere
from visearch.settings import Settings
from visearch.store import outbox
from visearch.store.blobs import Blobs
from visearch.store.database import STATEMENT_TIMEOUT_S, Database
from visearch.store.outbox import Send
from visearch.store.redis import presence, queues
from visearch.store.redis.client import FULL, Client, connect, is_full
from visearch.store.redis.jobs import SearchJobs

log = structlog.get_logger(__name__)
T = TypeVar("T")


class _once(cached_property[T]):  # noqa: N801  (used as a decorator)
    """A cached property that several threads may ask for first; Python's is not from 3.12 on."""

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> T: ...
    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
        """Return the value, made once."""
        if instance is None:
            return self
        with instance._opening:
            return super().__get__(instance, owner)


class Backend:
    """The adapters of one process and its settings; each is opened on first use."""

    statement_timeout_s = STATEMENT_TIMEOUT_S
    most_decoders: int | None = None
    """Where pictures are decoded only now and then, fewer processes do it than the settings say."""

    def __init__(self, settings: Settings, send: Send) -> None:
        self.settings, self.send = settings, send
        self._inherited: list[object] = []
        self._opening = threading.RLock()

    @_once
    def database(self) -> Database:
        """The database."""
        return Database(self.settings.database, self.statement_timeout_s)

    @_once
    def blobs(self) -> Blobs:
        """The blob store."""
        return Blobs(self.settings.blobs, self.settings.home / "cache")

    @_once
    def redis(self) -> Client:
        """Redis."""
        return connect(self.settings.redis)

    @_once
    def jobs(self) -> SearchJobs:
        """The search jobs."""
        return SearchJobs(self.redis, self.settings, self.send)

    @_once
    def decoders(self) -> Decoders:
        """The decoders of strangers' pictures."""
        return DecoderPool.of(self.settings, self.most_decoders)

    @_once
    def fetcher(self) -> Fetcher:
        """What fetches strangers' URLs; it has a thread."""
        return Fetcher(self.settings)

    def close_fetcher(self) -> None:
        """End what is being fetched, and the thread that does it."""
        if (made := self.__dict__.pop("fetcher", None)) is not None:
            made.close()

    def announce(self, catalog_pk: int) -> None:
        """Tell the search workers that a catalog has changed."""
        presence.announce_change(self.redis, catalog_pk)

    def waits(self, queue: str) -> bool:
        """Tell whether somebody waits for his turn in a queue; where it does not say so, yes."""
        try:
            return queues.depth(self.redis, queue) > 0
        except DependencyUnavailable:
            return True

    def flush(self) -> int:
        """Send the messages that committed transactions left; returns how many.

        They are rows: what cannot be sent now, the reconciler sends, and nobody fails for it.
        """
        try:
            return outbox.flush(self.database, self.send)
        except (DependencyUnavailable, Overloaded) as error:
            log.warning("outbox_kept", error=error.detail)
            return 0

    def forked(self) -> None:
        """Forget, in a child process, what the parent opened.

        Forgotten, not closed: closing would speak to Redis and the database on the parent's
        behalf.
        """
        self._opening = threading.RLock()  # the parent may have held it
        for name in ("database", "blobs", "redis", "jobs", "decoders", "fetcher"):
            if name in self.__dict__:
                self._inherited.append(self.__dict__.pop(name))


class LoneBackend(Backend):
    """The backend of a process that serves its catalogs alone: there is nobody to tell."""

    @_once
    def decoders(self) -> Decoders:
        """The process itself decodes."""
        return DecodersHere(Limits.of(self.settings))

    def announce(self, catalog_pk: int) -> None:
        """Do nothing: the only index there is looks for itself."""

    def waits(self, queue: str) -> bool:
        """Tell that nobody waits: there is one caller."""
        return False


def celery_sender(
    send_task: Callable[..., object], unreachable: type[Exception], *, retry: bool
) -> Send:
    """Return a ``Send`` by Celery's ``send_task``, which raises ``unreachable``.

    With ``retry`` it tries a few times before it does.
    """

    def send(task: str, payload: Mapping[str, Any], queue: str | None = None) -> None:
        try:
            send_task(
                task,
                kwargs=dict(payload),
                queue=queue or contract.QUEUE_OF[task],
                headers={contract.SENT_HEADER: time.time()},
                # For nobody to read; making it costs a fifth of sending.
                argsrepr="",
                kwargsrepr="",
                retry=retry,
            )
        except unreachable as error:
            if is_full(error):
                raise Overloaded(FULL) from error
            raise DependencyUnavailable(f"The queue does not answer: {error}", "queue") from error

    return send
