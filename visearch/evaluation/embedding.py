"""Pictures → vectors, one batch at a time, which bounds the decoded pictures in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from PIL import Image

from visearch.encoders.encoder import Encoder
from visearch.evaluation.ranking import Vectors
from visearch.evaluation.robustness import damaged
from visearch.images import decode

Advance = Callable[[int], None]

BATCH = 64


def _uncounted(_pictures: int) -> None:
    pass


def embed_pictures(
    encoder: Encoder, pictures: Sequence[bytes], advance: Advance = _uncounted
) -> Vectors:
    """Embed encoded pictures as a catalog would, float32 [n, d]; ``advance`` reports progress.

    Raises:
        ImageError: a picture cannot be decoded.
    """
    at_least = encoder.preprocess.at_least
    return embed_images(encoder, (decode(each, at_least=at_least) for each in pictures), advance)


def embed_damaged(encoder: Encoder, pictures: Sequence[bytes], advance: Advance) -> Vectors:
    """Embed every picture with all damages of ``robustness``, float32 [n, points, d].

    Raises:
        ImageError: a picture cannot be decoded.
    """
    images = (image for seed, each in enumerate(pictures) for image in damaged(decode(each), seed))
    vectors = embed_images(encoder, images, advance)
    return vectors.reshape(len(pictures), -1, vectors.shape[1])


def embed_images(
    encoder: Encoder, images: Iterable[Image.Image], advance: Advance = _uncounted
) -> Vectors:
    """Embed RGB pictures, float32 [n, d]; ``advance`` reports progress."""
    parts = []
    for batch in _batches(iter(images)):
        parts.append(encoder.embed(batch))
        advance(len(batch))
    return np.concatenate(parts) if parts else np.empty((0, encoder.dimension), np.float32)


def _batches(images: Iterator[Image.Image]) -> Iterator[list[Image.Image]]:
    while batch := list(islice(images, BATCH)):
        yield batch
