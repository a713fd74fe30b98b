"""Teachers: encoders whose vectors of the same views are what a student learns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from visearch.encoders.encoder import Encoder
from visearch.encoders.runtimes.options import RunOptions
from visearch.training.batches import Batch
from visearch.training.recipe import Recipe

_CHUNK = 32
"""Pictures that a teacher looks at together; XLA compiles this size."""


class Teachers:
    """Encoders as one: their unit vectors joined, and scaled to length 1.

    They run as encoders do, in the fastest runtime there is, which on CPUs is not the one that
    trains.
    """

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        self._encoders = encoders
        self.dimension = sum(encoder.dimension for encoder in encoders)
        self._scale = np.float32(len(encoders) ** -0.5)

    @classmethod
    def of(cls, recipe: Recipe) -> Teachers | None:
        """Open the recipe's teachers; None if it has none.

        Raises:
            UnknownEncoder, WeightsMismatch, ExportError: as :meth:`Encoder.open`.
        """
        options = replace(RunOptions.from_env(), shared=True)  # the student needs the cores too
        specs = [f"file:{teacher.weights}" for teacher in recipe.teachers]
        encoders = [Encoder.open(spec, (_CHUNK,), options) for spec in specs]
        return cls(encoders) if encoders else None

    def embed(self, images: Sequence[Image.Image]) -> npt.NDArray[np.float32]:
        """Embed RGB pictures: unit rows, float32 [n, C]."""
        parts = [
            np.concatenate([encoder.embed(part) for part in _chunks(images)])
            for encoder in self._encoders
        ]
        joined: npt.NDArray[np.float32] = np.concatenate(parts, axis=1) * self._scale
        return joined

    def teach(self, batch: Batch) -> Batch:
        """Say what the views of a batch should be."""
        return batch._replace(taught=self.embed([Image.fromarray(view) for view in batch.pixels]))


def _chunks(images: Sequence[Image.Image]) -> Iterator[Sequence[Image.Image]]:
    for at in range(0, len(images), _CHUNK):
        yield images[at : at + _CHUNK]
