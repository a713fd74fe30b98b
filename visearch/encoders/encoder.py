"""The encoder: pictures → L2-normalised embeddings, on the runtime that suits the machine."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image

from visearch.encoders import layout
from visearch.encoders.checkpoints.verified import load_verified
from visearch.encoders.runtimes.options import RunOptions, Runtime
from visearch.encoders.runtimes.start import start
from visearch.encoders.spec import EncoderSpec, resolve
from visearch.errors import WeightsMismatch
from visearch.images import Preprocess

BUCKETS = (1, 4, 16, 64)
"""Batch sizes that XLA compiles; smaller batches are padded to the next one."""


class Encoder:
    """A network and its preprocessing. Thread-safe: concurrent calls take turns."""

    def __init__(
        self,
        spec: EncoderSpec,
        buckets: Sequence[int] = BUCKETS,
        options: RunOptions | None = None,
    ) -> None:
        self.spec = spec
        self._buckets, self._options = buckets, options or RunOptions.from_env()
        started = start(spec, buckets, self._options)
        self.runtime, self.precision = started.name, started.precision
        self._engine = started.engine
        self._local: Runtime | None = None
        self._turn = threading.Lock()

    @classmethod
    def open(
        cls,
        spec: str = "bundled",
        buckets: Sequence[int] = BUCKETS,
        options: RunOptions | None = None,
    ) -> Encoder:
        """Open the encoder ``spec`` (see :func:`resolve`).

        The first time on a machine, this exports and checks the network, which takes
        seconds; later, it reads the result from a cache. Without ``options``, the
        environment says how to run it (``VISEARCH_RUNTIME`` and others, docs/settings.md).

        Raises:
            UnknownEncoder: there is no such encoder.
            WeightsMismatch: its file does not fit its architecture.
            ExportError: the runtime's vectors differ from Flax's, or it cannot run the graph.
            SettingsError: the runtime is not installed, or does not support the options.
        """
        return cls(resolve(spec), buckets, options)

    @property
    def fingerprint(self) -> str:
        """The encoder's identity; vectors of two fingerprints are never compared."""
        return self.spec.fingerprint

    @property
    def dimension(self) -> int:
        """Length d of an embedding."""
        return self.spec.dimension

    @cached_property
    def parts(self) -> dict[str, npt.NDArray[np.intp]]:
        """The places in an embedding of each part's numbers; most encoders have one part, all."""
        return layout.parts(self.spec.architecture, self.dimension)

    @property
    def size(self) -> int:
        """Side of the square input, px."""
        return self.spec.preprocess.size

    @property
    def preprocess(self) -> Preprocess:
        """How a picture becomes the input, for catalog pictures and for queries."""
        return self.spec.preprocess

    def warm_up(self) -> None:
        """Do the work that the first requests would otherwise wait for."""
        with self._turn:
            self._engine.warm_up()

    def embed(self, images: Sequence[Image.Image]) -> npt.NDArray[np.float32]:
        """Embed RGB pictures: unit rows, float32 [n, d]."""
        if not images:
            return np.empty((0, self.dimension), np.float32)
        return self.embed_pixels(self._pixels(images))

    def local(self, images: Sequence[Image.Image]) -> npt.NDArray[np.float32]:
        """Return what each place of RGB pictures gives to the embedding, float32 [n, h, w, d].

        The mean over the places, each of its :attr:`parts` scaled to a length that depends on
        the encoder alone, is the embedding. The first call exports the network once more, and
        keeps a second copy of it in memory.

        Raises:
            EncoderError: an encoder of this architecture, or in int8, has no local embeddings.
            ExportError: as :meth:`open`.
        """
        pixels = self._pixels(images) if images else _nothing(self.size)
        with self._turn:
            if self._local is None:
                self._local = start(self.spec, self._buckets, self._options, "local").engine
            return self._local.run(pixels)[: len(images)]

    def _pixels(self, images: Sequence[Image.Image]) -> npt.NDArray[np.uint8]:
        return np.stack([self.preprocess.pixels(image) for image in images])

    def embed_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Embed preprocessed pictures uint8 [n, size, size, 3]: unit rows, float32 [n, d].

        Raises:
            ValueError: the array has another dtype or shape.
        """
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (self.size, self.size, 3):
            raise ValueError(
                f"expected uint8 [n, {self.size}, {self.size}, 3], "
                f"got {pixels.dtype} {list(pixels.shape)}"
            )
        if not len(pixels):
            return np.empty((0, self.dimension), np.float32)
        with self._turn:
            return self._engine.run(pixels)


def _nothing(size: int) -> npt.NDArray[np.uint8]:
    return np.zeros((1, size, size, 3), np.uint8)


def verify_encoder(spec: EncoderSpec) -> None:
    """Load an encoder as a worker would, and embed two pictures.

    Raises:
        UnknownEncoder: there is no such architecture.
        WeightsMismatch: a key or shape differs, a weight is not finite, or the results are
            not embeddings.
        ExportError, SettingsError: as :meth:`Encoder.open`.
    """
    tensors = load_verified(spec)
    broken = [key for key, value in tensors.items() if not np.isfinite(value).all()]
    if broken:
        raise WeightsMismatch(
            f"{spec.weights.name} has weights that are not finite: {', '.join(broken)}. "
            "Export the checkpoint again."
        )
    encoder = Encoder(spec, buckets=(2,))
    noise = np.random.default_rng(0).integers(0, 256, (2, encoder.size, encoder.size, 3), np.uint8)
    vectors = encoder.embed_pixels(noise)
    lengths = np.linalg.norm(vectors, axis=1)
    if vectors.shape != (2, spec.dimension) or not np.allclose(lengths, 1, atol=1e-3):
        raise WeightsMismatch(
            f"{spec.weights.name} gives vectors of shape {list(vectors.shape)} and lengths "
            f"{lengths}, not {spec.dimension} numbers of length 1. Export the checkpoint again."
        )
