"""A quick measure of a trained encoder on the pictures held out of its training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from visearch.encoders.encoder import Encoder
from visearch.evaluation.answers import answer
from visearch.evaluation.embedding import embed_images, embed_pictures
from visearch.evaluation.protocol import Labels, leave_one_out
from visearch.evaluation.ranking import Vectors, nearest
from visearch.images import decode
from visearch.images.edit import edit
from visearch.training.data import Dataset


@dataclass(frozen=True)
class Quality:
    """Shares 0..1 of the queries; None if there are no queries."""

    pictures: int
    same_picture_at_1: float | None
    label_at_1: tuple[float | None, ...]


def measure_held_out(encoder: Encoder, data: Dataset, seed: int = 0) -> Quality:
    """Measure ``encoder`` on held-out pictures.

    ``same_picture_at_1`` is the share of pictures that, edited like a shopper's photo, find
    their original. ``label_at_1`` is the leave-one-out recall@1 of each level's labels.
    """
    vectors = embed_pictures(encoder, data.pictures)
    found = nearest(embed_images(encoder, _edited(data, seed)), vectors, "cosine")
    return Quality(
        pictures=len(data),
        same_picture_at_1=float(np.mean(found == np.arange(len(data)))) if len(data) else None,
        label_at_1=tuple(_label_recall(vectors, level) for level in data.labels.T),
    )


def _label_recall(vectors: Vectors, labels: Labels) -> float | None:
    task = leave_one_out(labels)
    if not len(task.queries):
        return None
    return float(answer(vectors, task, "cosine").values["recall@1"].mean())


def _edited(data: Dataset, seed: int) -> Iterator[Image.Image]:
    rng = np.random.default_rng(seed)
    return (decode(edit(decode(picture), rng)) for picture in data.pictures)
