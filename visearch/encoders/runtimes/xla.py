"""XLA: the runtime of accelerators, and of CPUs where no other engine is installed.

Pictures go to the device as uint8 and are normalised there. Computation is asynchronous: the
next batch is sent while the last one is computed. Several devices share each batch; each of
them holds all weights.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import structlog
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from visearch.encoders.families.model import Model
from visearch.encoders.runtimes.fold import fold_batch_norm
from visearch.encoders.runtimes.network import FUNCTIONS
from visearch.encoders.runtimes.options import Output, Precision
from visearch.images import Preprocess

IN_FLIGHT = 2
"""Batches on the device at a time: one being computed, one being sent."""

log = structlog.get_logger()

_DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


class Xla:
    """Runs a Flax model, compiled for a few batch sizes ("buckets")."""

    def __init__(
        self,
        model: Model,
        preprocess: Preprocess,
        dimension: int,
        *,
        precision: Precision,
        buckets: Sequence[int],
        cache: Path | None,
        output: Output = "embedding",
    ) -> None:
        if cache is not None:
            _keep_compiled(cache / "xla")
        dtype = _DTYPES[precision]
        fold_batch_norm(model, preprocess.size)
        mesh = Mesh(np.asarray(jax.local_devices()), ("batch",))
        devices = mesh.size
        self._buckets = sorted({-(-bucket // devices) * devices for bucket in buckets})
        self._side = preprocess.size
        self._split = NamedSharding(mesh, PartitionSpec("batch"))
        graph, state = nnx.split(model)
        everywhere = NamedSharding(mesh, PartitionSpec())
        self._state = jax.device_put(
            jax.tree.map(lambda array: _cast(array, dtype), state), everywhere
        )

        def embed(state: Any, pixels: jax.Array) -> jax.Array:
            return FUNCTIONS[output](nnx.merge(graph, state), preprocess, dimension, dtype)(pixels)

        self._jit = jax.jit(embed, out_shardings=self._split)
        self._compiled: dict[int, jax.stages.Compiled] = {}

    def run(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Embed pictures uint8 [n, S, S, 3], n > 0: unit rows, float32 [n, d]."""
        largest = self._buckets[-1]
        under_way: deque[tuple[int, jax.Array]] = deque()
        done: list[npt.NDArray[np.float32]] = []
        for at in range(0, len(pixels), largest):
            if len(under_way) == IN_FLIGHT:
                done.append(_fetch(*under_way.popleft()))
            under_way.append(self._send(pixels[at : at + largest]))
        done.extend(_fetch(n, result) for n, result in under_way)
        return np.concatenate(done)

    def warm_up(self) -> None:
        """Compile every bucket, or read it from the cache, and run it."""
        for bucket in self._buckets:
            self.run(np.zeros((bucket, self._side, self._side, 3), np.uint8))

    def _send(self, pixels: npt.NDArray[np.uint8]) -> tuple[int, jax.Array]:
        """Start one batch, padded to its bucket; return its size and its future result."""
        n = len(pixels)
        bucket = next(b for b in self._buckets if b >= n)
        if n < bucket:
            pixels = np.concatenate([pixels, np.zeros((bucket - n, *pixels.shape[1:]), np.uint8)])
        sent = jax.device_put(pixels, self._split)
        result: jax.Array = self._program(bucket)(self._state, sent)
        return n, result

    def _program(self, bucket: int) -> jax.stages.Compiled:
        if bucket not in self._compiled:
            shape = (bucket, self._side, self._side, 3)
            pixels = jax.ShapeDtypeStruct(shape, jnp.uint8, sharding=self._split)
            self._compiled[bucket] = self._jit.lower(self._state, pixels).compile()
        return self._compiled[bucket]


def _fetch(n: int, result: jax.Array) -> npt.NDArray[np.float32]:
    return np.asarray(result)[:n]


def _cast(array: jax.Array, dtype: Any) -> Any:
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        return array  # a dropout's key, which inference does not use
    # In numpy, because jax would compile one cast for each shape.
    plain = np.asarray(array)
    return plain.astype(dtype) if jnp.issubdtype(plain.dtype, jnp.floating) else plain


def _keep_compiled(folder: Path) -> None:
    """Cache compiled programs on disk, if it is writable, so that the next start is quick."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        log.warning("programs_not_cached", folder=str(folder), reason=error.strerror)
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
