"""Waking threads by name: one subscription of a process serves all that wait in it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis.client import PubSub

from visearch.background import Loop
from visearch.store.redis.client import Client, answering

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
        self._loop: Loop | None = None
        self._subscribed = threading.Event()
        self._events: PubSub | None = None

    @contextmanager
    def listen(self, name: str, *, patience_s: float = START_S) -> Iterator[threading.Event]:
        """Yield an event that is set when ``name`` is published.

        Where there is no subscription yet, it is waited for, but not longer than ``patience_s``.
        """
        rung = threading.Event()
        with self._lock:
            if self._loop is None:
                self._loop = Loop("bell", self._listen, retry_s=RETRY_S).start()
            self._waiting.setdefault(name, []).append(rung)
        try:
            self._subscribed.wait(patience_s)
            yield rung
        finally:
            with self._lock:
                others = [each for each in self._waiting[name] if each is not rung]
                if others:
                    self._waiting[name] = others
                else:
                    del self._waiting[name]

    def close(self) -> None:
        """Stop listening; who waits now is not woken any more."""
        if self._loop is not None:
            self._loop.stop()

    def _listen(self) -> None:
        """Take one message, or wait ``LOOK_S`` for it; a lost connection is made anew."""
        try:
            with answering():
                if self._events is None:
                    self._events = self._redis.pubsub()
                    self._events.subscribe(self._channel)
                self._hear(self._events.get_message(timeout=LOOK_S))  # pings an idle connection
        except Exception:
            self._subscribed.clear()
            self._events = None
            raise

    def _hear(self, message: dict[str, Any] | None) -> None:
        if message is None:
            return
        if message["type"] == "subscribe":
            self._subscribed.set()
        elif message["type"] == "message":
            with self._lock:
                for rung in self._waiting.get(message["data"].decode(), ()):
                    rung.set()
