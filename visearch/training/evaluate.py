"""How good an encoder is: recall of the same picture under a shopper's edits, of its labels."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance

from visearch.encoders.encoder import Encoder
from visearch.images import decode
from visearch.training.data import UNLABELLED, Dataset

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Report:
    """Measured quality; recalls are shares 0..1 of the queries that have an answer."""

    pictures: int
    same_picture_at_1: float
    label_at_1: tuple[float, ...]


def evaluate(encoder: Encoder, data: Dataset, seed: int = 0) -> Report:
    """Measure ``encoder`` on held-out pictures.

    ``same_picture_at_1``: each picture, edited as a shopper's photo would be, finds the
    original among all. ``label_at_1``: per label level, the nearest other picture has
    the same label.
    """
    originals = [decode(picture) for picture in data.pictures]
    rng = np.random.default_rng(seed)
    vectors = encoder.embed(originals)
    edited = encoder.embed([decode(edit(image, rng)) for image in originals])
    found = np.argmax(edited @ vectors.T, axis=1)
    return Report(
        pictures=len(data),
        same_picture_at_1=float(np.mean(found == np.arange(len(data)))),
        label_at_1=tuple(label_recall(vectors, level) for level in data.labels.T),
    )


def label_recall(vectors: Vectors, labels: npt.NDArray[np.int32]) -> float:
    """Return recall@1 by label: vectors float32 [n, d], labels int32 [n] (-1: none)."""
    known = np.flatnonzero(labels != UNLABELLED)
    if not len(known):
        return 0.0
    scores = vectors[known] @ vectors[known].T
    np.fill_diagonal(scores, -np.inf)
    nearest = labels[known][np.argmax(scores, axis=1)]
    unique, counts = np.unique(labels[known], return_counts=True)
    answerable = np.isin(labels[known], unique[counts > 1])
    if not answerable.any():
        return 0.0
    return float(np.mean(nearest[answerable] == labels[known][answerable]))


def edit(image: Image.Image, rng: np.random.Generator) -> bytes:
    """Make a shopper's JPEG of a picture: crop to 80 % of each side, change brightness by
    up to 20 %, compress at quality 40.
    """
    width, height = image.size
    w, h = round(width * 0.8), round(height * 0.8)
    x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    cut = image.crop((x, y, x + w, y + h))
    cut = ImageEnhance.Brightness(cut).enhance(rng.uniform(0.8, 1.2))
    out = io.BytesIO()
    cut.save(out, "JPEG", quality=40)
    return out.getvalue()
