"""A few decoders, shared by the threads of a process; one that dies is replaced."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import structlog

from visearch.background import Loop
from visearch.errors import DecoderCrashed, DecodeTimeout, DependencyUnavailable
from visearch.images.decode import Limits
from visearch.images.decoders.process import Decoder
from visearch.images.decoders.wire import WireError
from visearch.images.formats import shown
from visearch.images.order import Copy, Order, Pixels
from visearch.settings import Settings

log = structlog.get_logger(__name__)
T = TypeVar("T")

MOST = 8
"""Decoders made by default where there are more cores: encoding takes longer than decoding."""

START_S = 60.0
"""How long a decoder may take to load its code."""

GRACE_S = 1.0
"""A picture whose decoding has begun has so long, even past its deadline: nearly all of them are
decoded by then, and to replace the decoder costs more."""


class DecoderPool:
    """Decodes pictures in processes of their own; they are started when they are needed."""

    def __init__(self, limits: Limits, *, size: int, memory_bytes: int, limit_s: float) -> None:
        """Make a pool of at most ``size`` decoders.

        Args:
            limits: on each picture.
            size: pictures decoded at a time.
            memory_bytes: address space of a decoder.
            limit_s: time for one picture.
        """
        self._limits, self._size = limits, size
        self._memory_bytes, self._limit_s = memory_bytes, limit_s
        self._idle: queue.LifoQueue[Decoder] = queue.LifoQueue()
        self._wanted: queue.SimpleQueue[None] = queue.SimpleQueue()  # one for each to be started
        self._asked_for, self._lock, self._closed = 0, threading.Lock(), False
        # One thread starts all of them, for as long as the process lives (see die_with_parent).
        self._starter = Loop("decoders", self._start_wanted, retry_s=1.0)
        self._starter.start()

    @classmethod
    def of(cls, settings: Settings, most: int | None = None) -> DecoderPool:
        """Make the pool that the settings ask for, or a smaller one of ``most`` decoders."""
        size = settings.decoders or min(MOST, len(os.sched_getaffinity(0)))
        return cls(
            Limits.of(settings),
            size=min(size, most or size),
            memory_bytes=settings.decoder_memory_bytes,
            limit_s=settings.decode_timeout_s,
        )

    def start(self) -> None:
        """Start every decoder, and wait for them.

        Raises:
            DependencyUnavailable: they cannot be started; the log says why.
        """
        self._ask_for(self._size)
        end = time.monotonic() + START_S
        ready: list[Decoder] = []
        try:
            while len(ready) < self._size:
                ready.append(self._idle.get(timeout=max(0.0, end - time.monotonic())))
        except queue.Empty as error:
            raise DependencyUnavailable(
                "The processes that decode pictures do not start. See the log."
            ) from error
        finally:
            for decoder in ready:
                self._idle.put(decoder)

    def close(self) -> None:
        """End the decoders that are not at work; the pool must not be used any more."""
        self._closed = True
        self._starter.stop()
        self._wanted.put(None)  # wakes the starter
        self._starter.join()
        while not self._idle.empty():
            self._idle.get().kill()

    def pixels(self, data: bytes, order: Order, within_s: float) -> Pixels:
        """Return what ``order`` makes of the picture in ``data``, uint8 [size, size, 3].

        Raises:
            ImageError: the picture cannot be used: among others DecoderCrashed and DecodeTimeout.
            InvalidRequest: the box is malformed.
            TimeoutError: no decoder was free within ``within_s``, or the picture was not decoded
                by then.
        """

        def ask(decoder: Decoder, left_s: float) -> Pixels:
            return decoder.ask(data, order, self._limits, left_s)

        return self._asked(ask, data, within_s)

    def copy(self, data: bytes, order: Copy, within_s: float) -> bytes:
        """Return a small JPEG of the picture in ``data``; raises as ``pixels`` does."""

        def ask(decoder: Decoder, left_s: float) -> bytes:
            return decoder.ask_copy(data, order, self._limits, left_s)

        return self._asked(ask, data, within_s)

    def _asked(self, ask: Callable[[Decoder, float], T], data: bytes, within_s: float) -> T:
        """Have a free decoder make something of the picture in ``data``."""
        end = time.monotonic() + within_s
        with self._free(end) as decoder:
            left = max(GRACE_S, end - time.monotonic())
            try:
                return ask(decoder, min(left, self._limit_s))
            except TimeoutError as error:
                if left < self._limit_s:
                    raise
                raise DecodeTimeout(
                    f"The {shown(data)}picture took longer than {self._limit_s:g} seconds to "
                    "decode. Send a simpler one."
                ) from error
            except (OSError, EOFError, WireError) as error:
                raise DecoderCrashed(
                    f"The decoder crashed on this {shown(data)}picture. Save it again with another "
                    "program."
                ) from error

    @contextmanager
    def _free(self, end: float) -> Iterator[Decoder]:
        """Take a decoder, and put it back if it can still be used."""
        decoder = self._take(end)
        try:
            yield decoder
        finally:
            if decoder.usable:
                self._idle.put(decoder)
            else:
                self._replace(decoder)

    def _take(self, end: float) -> Decoder:
        while True:
            if self._idle.empty():
                self._ask_for(1)
            try:
                decoder = self._idle.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty as error:
                raise TimeoutError("no decoder was free in time") from error
            if decoder.is_alive:
                return decoder
            self._replace(decoder)  # somebody ended it while it had nothing to do

    def _replace(self, decoder: Decoder) -> None:
        log.warning("decoder_replaced", status=decoder.kill())
        self._wanted.put(None)

    def _ask_for(self, more: int) -> None:
        """Have up to so many more decoders started, unless there are as many as there may be."""
        with self._lock:
            more = min(more, self._size - self._asked_for)
            self._asked_for += more
        for _ in range(more):
            self._wanted.put(None)

    def _start_wanted(self) -> None:
        """Wait until decoders are wanted and start them, all at the same time."""
        self._wanted.get()
        if self._closed:
            return
        count = 1 + sum(1 for _ in self._already_wanted())
        started: list[Decoder] = []
        try:
            for _ in range(count):
                started.append(Decoder(self._memory_bytes))
            for decoder in started:
                decoder.await_ready(START_S)
        except BaseException:
            for decoder in started:
                decoder.kill()
            for _ in range(count):
                self._wanted.put(None)
            raise
        for decoder in started:
            self._idle.put(decoder)

    def _already_wanted(self) -> Iterator[None]:
        while not self._wanted.empty():
            yield self._wanted.get()
