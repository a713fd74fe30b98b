"""The encoders a worker has opened, by spec; each is warm before its first use."""

from __future__ import annotations

import threading

from visearch.encoders.encoder import Encoder
from visearch.encoders.runtimes.options import RunOptions
from visearch.encoders.spec import resolve
from visearch.settings import Settings


class Encoders:
    """Opens encoders once each."""

    def __init__(self, settings: Settings, buckets: tuple[int, ...]) -> None:
        self._buckets = buckets
        self._options = RunOptions.of(settings)
        self._open: dict[str, Encoder] = {}
        self._opening = threading.Lock()

    def get(self, spec: str) -> Encoder:
        """Return the encoder of ``spec``; raises what ``Encoder.open`` raises."""
        fingerprint = resolve(spec).fingerprint
        if (known := self._open.get(fingerprint)) is not None:
            return known  # not behind the opening of another one, which takes seconds
        with self._opening:
            if fingerprint not in self._open:
                encoder = Encoder.open(spec, self._buckets, self._options)
                encoder.warm_up()
                self._open[fingerprint] = encoder
            return self._open[fingerprint]
