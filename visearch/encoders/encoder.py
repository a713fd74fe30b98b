"""The encoder: pictures → L2-normalised embeddings, compiled for a few batch sizes."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from visearch.encoders.spec import EncoderSpec, resolve
from visearch.images import Preprocess

# Halves the time of a convolution on a CPU (docs/benchmarks.md); read when jax starts,
# so it must be set before the import below.
_CPU_FLAG = "--xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_DOT"
if "ynn_fusion" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_CPU_FLAG}".strip()

import jax  # noqa: E402  (after the flag above)
import jax.numpy as jnp  # noqa: E402
from flax import nnx  # noqa: E402

from visearch.encoders import registry  # noqa: E402
from visearch.encoders.weights import load_safetensors, load_tensors  # noqa: E402
from visearch.errors import UnknownEncoder  # noqa: E402

BUCKETS = (1, 4, 16, 64)
"""Batch sizes that are compiled; a batch is padded up to the next one."""


class Encoder:
    """A network with its preprocessing. Thread-safe: calls take turns."""

    def __init__(self, spec: EncoderSpec, buckets: Sequence[int] = BUCKETS) -> None:
        if spec.architecture not in registry.VARIANTS:
            raise UnknownEncoder(f"unknown architecture {spec.architecture!r}")
        model = registry.build(spec.architecture)
        load_tensors(model, load_safetensors(spec.weights))
        model.eval()
        self.spec = spec
        self._buckets = tuple(sorted(buckets))
        self._turn = threading.Lock()
        graph, self._state = nnx.split(model)
        mean = jnp.asarray(spec.preprocess.mean, jnp.float32)
        std = jnp.asarray(spec.preprocess.std, jnp.float32)

        def embed(state: Any, pixels: jax.Array) -> jax.Array:
            x = (pixels.astype(jnp.float32) / 255.0 - mean) / std
            z = nnx.merge(graph, state).embed(x)
            return z / jnp.maximum(jnp.linalg.norm(z, axis=1, keepdims=True), 1e-12)

        self._run = jax.jit(embed)

    @classmethod
    def open(cls, spec: str = "bundled", buckets: Sequence[int] = BUCKETS) -> Encoder:
        """Open the encoder ``spec`` (``bundled`` or ``file:PATH``).

        Raises:
            UnknownEncoder: there is no such encoder.
            WeightsMismatch: its file does not fit its architecture.
        """
        return cls(resolve(spec), buckets)

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
        """Compile every bucket, so that no request pays for it."""
        for bucket in self._buckets:
            self.embed_pixels(np.zeros((bucket, self.size, self.size, 3), np.uint8))

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
        largest = self._buckets[-1]
        parts = [
            self._embed_bucket(pixels[at : at + largest]) for at in range(0, len(pixels), largest)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self.dimension), np.float32)

    def _embed_bucket(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        n = len(pixels)
        bucket = next(b for b in self._buckets if b >= n)
        if n < bucket:
            pixels = np.concatenate([pixels, np.zeros((bucket - n, *pixels.shape[1:]), np.uint8)])
        with self._turn:
            out = np.asarray(self._run(self._state, jnp.asarray(pixels)))
        return out[:n]


def use_compilation_cache(folder: Path) -> None:
    """Keep compiled buckets on disk, so that the next start is quick."""
    folder.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
