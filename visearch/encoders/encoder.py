"""The encoder: pictures → L2-normalised embeddings, by the runtime that suits the machine."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from visearch.encoders.runtimes.options import RunOptions
from visearch.encoders.runtimes.start import start
from visearch.encoders.spec import EncoderSpec, resolve
from visearch.images import Preprocess

BUCKETS = (1, 4, 16, 64)
"""Batch sizes that XLA compiles; it pads a batch up to the next one."""


class Encoder:
    """A network with its preprocessing. Thread-safe: calls take turns."""

    def __init__(
        self,
        spec: EncoderSpec,
        buckets: Sequence[int] = BUCKETS,
        options: RunOptions | None = None,
    ) -> None:
        self.spec = spec
        started = start(spec, buckets, options or RunOptions.from_env())
        self.runtime, self.precision = started.name, started.precision
        self._engine = started.engine
        self._turn = threading.Lock()

    @classmethod
    def open(
        cls,
        spec: str = "bundled",
        buckets: Sequence[int] = BUCKETS,
        options: RunOptions | None = None,
    ) -> Encoder:
        """Open the encoder ``spec`` (see :func:`resolve`).

        The first opening on a machine exports and checks the network (seconds); later ones
        read the result from a cache. Without ``options`` the environment says how to run
        it (``VISEARCH_RUNTIME`` and others, docs/settings.md).

        Raises:
            UnknownEncoder: there is no such encoder.
            WeightsMismatch: its file does not fit its architecture.
            ExportError: the runtime cannot run it as Flax does.
            SettingsError: the runtime is not installed, or cannot do what is asked for.
        """
        return cls(resolve(spec), buckets, options)

    @property
    def fingerprint(self) -> str:
        """Names the encoder; vectors of two fingerprints never meet."""
        return self.spec.fingerprint

    @property
    def dimension(self) -> int:
        """Length d of an embedding."""
        return self.spec.dimension

    @property
    def size(self) -> int:
        """Side of the square input, px."""
        return self.spec.preprocess.size

    @property
    def preprocess(self) -> Preprocess:
        """How a picture becomes the input; the same when indexing and when searching."""
        return self.spec.preprocess

    def warm_up(self) -> None:
        """Do now what the first requests would have to wait for."""
        with self._turn:
            self._engine.warm_up()

    def embed(self, images: Sequence[Image.Image]) -> npt.NDArray[np.float32]:
        """Embed RGB pictures: unit rows, float32 [n, d]."""
        if not images:
            return np.empty((0, self.dimension), np.float32)
        return self.embed_pixels(np.stack([self.preprocess.pixels(image) for image in images]))

    def embed_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Embed preprocessed pictures uint8 [n, size, size, 3]: unit rows, float32 [n, d].

        Raises:
            ValueError: the array has another dtype or shape.
        """
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (self.size, self.size, 3):
            raise ValueError(
                f"expected uint8 [n, {self.size}, {self.size}, 3], "
                f"not {pixels.dtype} {list(pixels.shape)}"
            )
        if not len(pixels):
            return np.empty((0, self.dimension), np.float32)
        with self._turn:
            return self._engine.run(pixels)
