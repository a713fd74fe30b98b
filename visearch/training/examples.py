"""Examples: pictures that stand for all that a run shows, to fit where its projections start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from PIL import Image

from visearch.images import decode
from visearch.training.batches import Sampler
from visearch.training.data import Dataset
from visearch.training.recipe import Recipe
from visearch.training.step import pixels_to_input
from visearch.training.teachers import Teachers

Floats = npt.NDArray[np.float32]

MOST = 4096
_CHUNK = 32
_LEAST_LENGTH = 1e-3  # of features; those of an untrained network may be almost zero
_LEAST_STRENGTH = 1e-6  # of a direction, beside the strongest
_RIDGE = 1e-2


class Examples:
    """The pictures of the first batches, unchanged: of each source its share."""

    def __init__(self, data: Dataset, sampler: Sampler, recipe: Recipe) -> None:
        most = min(MOST, len(data))
        batches = (sampler.rows(step) for step in range(-(-most // recipe.batch)))
        rows = dict.fromkeys(int(row) for batch in batches for row in batch)
        self._pictures = [data.pictures[row] for row in rows][:most]

    def run(self, embed: Callable[[jax.Array], jax.Array], recipe: Recipe) -> Floats:
        """Return what a network makes of them as the recipe's encoder sees them, [n, C]."""

        @jax.jit
        def one(x: jax.Array) -> jax.Array:
            return embed(pixels_to_input(x, recipe.size, recipe.mean, recipe.std))

        pixels = recipe.preprocess.pixels
        chunks = (np.stack([pixels(each) for each in images]) for images in self._decoded())
        return np.concatenate([np.asarray(one(jnp.asarray(chunk))) for chunk in chunks])

    def taught(self, teachers: Teachers) -> Floats:
        """Return what the teachers say of them, float32 [n, C]."""
        return np.concatenate([teachers.embed(images) for images in self._decoded()])

    def _decoded(self) -> Iterator[Sequence[Image.Image]]:
        pictures = self._pictures
        for part in np.array_split(np.arange(len(pictures)), max(1, len(pictures) // _CHUNK)):
            yield [decode(pictures[i]) for i in part]


def principal_directions(features: Floats, whitening: float = 0.0) -> jax.Array:
    """Return the principal directions of ``features`` [n, C], [C, C], strongest first.

    They are not centred, so that cosines change least, and are scaled so that features of
    mean length get length 1. ``whitening`` 0..1 evens out their strengths: at 1 all are
    alike, at 0 they stay as they are.
    """
    # Of a symmetric matrix; eigh gives the weakest first.
    strengths, directions = np.linalg.eigh((features.T @ features).astype(np.float64))
    scale = np.maximum(strengths, _LEAST_STRENGTH * strengths[-1]) ** (-whitening / 2)
    directions = (directions * scale)[:, ::-1]
    length = max(float(np.linalg.norm(features @ directions, axis=1).mean()), _LEAST_LENGTH)
    return jnp.asarray(directions / length, jnp.float32)


def nearest_map(features: Floats, aims: Floats) -> jax.Array:
    """Return the linear map [C, d] that brings ``features`` [n, C] nearest to ``aims`` [n, d].

    Ridge regression, whose penalty is a share of the features' mean square.
    """
    square = (features.T @ features).astype(np.float64)
    penalty = max(_RIDGE * float(np.trace(square)) / len(square), _LEAST_LENGTH)
    square[np.diag_indices_from(square)] += penalty
    return jnp.asarray(np.linalg.solve(square, features.T @ aims), jnp.float32)
