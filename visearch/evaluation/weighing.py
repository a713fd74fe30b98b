"""The weights of an embedding's parts in an evaluation: fixed, or fitted as a catalog's are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

from visearch.encoders.encoder import Encoder
from visearch.errors import InvalidRequest
from visearch.evaluation.embedding import Advance, embed_images
from visearch.evaluation.material import Material
from visearch.evaluation.protocol import Rows
from visearch.evaluation.ranking import Vectors
from visearch.fusion.draw import COPIES, MOST_PICTURES, draw
from visearch.fusion.fit import Sample, fit
from visearch.fusion.weights import Weights, check, of_a_plain_product, weigh
from visearch.images import decode
from visearch.images.edit import edit
from visearch.records import Metric


@dataclass(frozen=True)
class Subject:
    """An encoder under a name, and the weights of its parts (None: the encoder's own).

    With ``fitted``, weights are fitted to the pictures of each level, as to a catalog of them.
    """

    name: str
    encoder: Encoder
    weights: Weights | None = None
    fitted: bool = False

    def __post_init__(self) -> None:
        """Raise InvalidRequest if the weights are not those of the encoder's parts."""
        if self.weights is not None:
            check(self.weights, self.encoder.parts)
        if self.fitted and len(self.encoder.parts) < 2:
            raise InvalidRequest(
                f"{self.name} has one part, so there is nothing to fit. Leave out the weights."
            )


@dataclass(frozen=True)
class Weighing:
    """Weighs the pictures of one encoder as queries."""

    subject: Subject
    material: Material
    vectors: Vectors
    advance: Advance
    _fits: dict[bytes, Weights] = field(default_factory=dict)

    def weights(self, chosen: npt.NDArray[np.bool_]) -> Weights | None:
        """Return the weights for a catalog of the ``chosen`` pictures, bool [n].

        None: as in an inner product. Pictures that only query are in no catalog.
        """
        if not self.subject.fitted:
            return self.subject.weights or self._encoder.spec.part_weights
        if self.material.in_gallery is not None:
            chosen = chosen & self.material.in_gallery
        rows = np.flatnonzero(chosen)
        key = rows.tobytes()
        if key not in self._fits:
            self._fits[key] = self._fitted(rows)
        return self._fits[key]

    def asking(
        self, vectors: Vectors, weights: Weights | None, similarity: Metric
    ) -> tuple[Metric, Vectors]:
        """Return vectors float32 [n, d] as queries, and by what they rank as ``similarity`` would.

        Weighed distances, of parts that have one length each, rank as weighed cosines do.
        """
        if weights is None:
            return similarity, vectors
        return "cosine", weigh(vectors, self._encoder.parts, weights)

    @property
    def _encoder(self) -> Encoder:
        return self.subject.encoder

    def _fitted(self, rows: Rows) -> Weights:
        plain = of_a_plain_product(self.vectors[0], self._encoder.parts)
        default = self._encoder.spec.part_weights or plain
        pictures = rows[draw(len(rows), MOST_PICTURES)]
        copied = draw(len(pictures), COPIES)
        copies = embed_images(self._encoder, self._edited(pictures[copied]), self.advance)
        found = fit(Sample(self.vectors[pictures], copies, copied), self._encoder.parts, default)
        return found.chosen.weights if found else default

    def _edited(self, rows: Rows) -> Iterator[Image.Image]:
        rng = np.random.default_rng(0)
        return (decode(edit(decode(self.material.pictures[row]), rng)) for row in rows)
