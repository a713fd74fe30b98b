"""The encoders a worker has opened, by spec; each is warm before its first use."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

from visearch.encoders.encoder import Encoder
from visearch.encoders.runtimes.options import RunOptions
from visearch.encoders.spec import resolve
from visearch.errors import SearchExpired
from visearch.settings import Settings


class Encoders:
    """Opens encoders once each, one after another, beside those who use the others."""

    def __init__(self, settings: Settings, buckets: tuple[int, ...]) -> None:
        self._buckets = buckets
        self._options = RunOptions.of(settings)
        self._open: dict[str, Encoder] = {}
        self._opening: dict[str, Future[Encoder]] = {}
        self._lock = threading.Lock()
        self._opener = ThreadPoolExecutor(1, thread_name_prefix="encoders")

    def get(self, spec: str, within_s: float | None = None) -> Encoder:
        """Return the encoder of ``spec``; raises what ``Encoder.open`` raises.

        Raises:
            SearchExpired: it is not open after ``within_s``; it goes on being opened.
        """
        fingerprint = resolve(spec).fingerprint
        if (known := self._open.get(fingerprint)) is not None:
            return known
        with self._lock:
            if fingerprint not in self._opening:
                self._opening[fingerprint] = self._opener.submit(self._warm, spec, fingerprint)
            opening = self._opening[fingerprint]
        try:
            return opening.result(within_s)
        except TimeoutError as error:
            if opening.done():
                raise
            raise SearchExpired("the encoder was still being opened at the deadline") from error

    def _warm(self, spec: str, fingerprint: str) -> Encoder:
        """Open an encoder; one that cannot be opened may be asked for again."""
        try:
            if fingerprint not in self._open:
                encoder = Encoder.open(spec, self._buckets, self._options)
                encoder.warm_up()
                self._open[fingerprint] = encoder
            return self._open[fingerprint]
        finally:
            with self._lock:
                del self._opening[fingerprint]
