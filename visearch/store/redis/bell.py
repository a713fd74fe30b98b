"""Waking threads by name: one subscription of a process serves all that wait in it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from redis.exceptions import RedisError

from visearch.store.redis.client import Client

log = structlog.get_logger(__name__)

START_S = 1.0
RETRY_S = 0.5
LOOK_S = 5.0


class Bell:
    """Rings for the names that are published on a Redis channel.

    A subscription of each waiter's own would cost a connection for each wait. A lost message
    is never repeated: who waits must look for itself now and then.
    """

    def __init__(self, client: Client, channel: str) -> None:
        self._redis, self._channel = client, channel
        self._waiting: dict[str, list[threading.Event]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._subscribed = threading.Event()

    @contextmanager
    def listen(self, name: str) -> Iterator[threading.Event]:
        """Yield an event that is set when ``name`` is published."""
        rung = threading.Event()
        with self._lock:
            self._waiting.setdefault(name, []).append(rung)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="bell")
                self._thread.start()
        self._subscribed.wait(START_S)
        try:
            yield rung
        finally:
            with self._lock:
                others = [each for each in self._waiting[name] if each is not rung]
                if others:
                    self._waiting[name] = others
                else:
                    del self._waiting[name]

    def _run(self) -> None:
        while True:
            try:
                self._ring()
            except RedisError as error:
                log.warning("bell_interrupted", error=str(error))
            except Exception:  # a thread that ended would leave everyone to poll
                log.exception("bell_interrupted")
            self._subscribed.clear()
            threading.Event().wait(RETRY_S)

    def _ring(self) -> None:
        with self._redis.pubsub() as events:
            events.subscribe(self._channel)
            while True:
                message = events.get_message(timeout=LOOK_S)  # pings a connection that is idle
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    self._subscribed.set()
                elif message["type"] == "message":
                    name = message["data"].decode()
                    with self._lock:
                        for rung in self._waiting.get(name, ()):
                            rung.set()
