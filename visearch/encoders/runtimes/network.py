"""An encoder's whole computation as one function: uint8 pixels → unit vectors, or local ones."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from visearch.encoders.families.model import Model
from visearch.encoders.runtimes.options import Output
from visearch.images import Preprocess

Embed = Callable[[jax.Array], jax.Array]


def embedding(
    model: Model, preprocess: Preprocess, dimension: int, dtype: type = jnp.float32
) -> Embed:
    """Return the function uint8 [n, S, S, 3] → float32 [n, d], whose rows have length 1.

    A row is the first ``dimension`` numbers of the network's output. The network computes in
    ``dtype``; normalising its input and output is done in float32.
    """
    scale, shift = normalisation(preprocess)

    def embed(pixels: jax.Array) -> jax.Array:
        x = pixels.astype(jnp.float32) * scale + shift
        z = model.embed(x.astype(dtype)).astype(jnp.float32)
        return unit(jax.lax.slice_in_dim(z, 0, dimension, axis=1))

    return embed


def local(model: Model, preprocess: Preprocess, dimension: int, dtype: type = jnp.float32) -> Embed:
    """Return the function uint8 [n, S, S, 3] → float32 [n, h, w, d]: what places give.

    Its mean over the places is the embedding before its parts are scaled to their lengths.
    """
    scale, shift = normalisation(preprocess)

    def places(pixels: jax.Array) -> jax.Array:
        x = pixels.astype(jnp.float32) * scale + shift
        z = model.local(x.astype(dtype)).astype(jnp.float32)
        return jax.lax.slice_in_dim(z, 0, dimension, axis=3)

    return places


FUNCTIONS: dict[Output, Callable[..., Embed]] = {"embedding": embedding, "local": local}


def normalisation(preprocess: Preprocess) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 (scale, shift) [3]: (x/255 - mean)/std = x·scale + shift."""
    mean, std = (np.asarray(v, np.float64) for v in (preprocess.mean, preprocess.std))
    return (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32)


def unit(z: jax.Array) -> jax.Array:
    """Divide rows [n, d] by their Euclidean length."""
    return z / jnp.maximum(jnp.linalg.norm(z, axis=1, keepdims=True), 1e-12)
