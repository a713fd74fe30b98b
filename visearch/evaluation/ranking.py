"""Ranks the gallery by similarity to each query, one block of queries at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from visearch.evaluation.protocol import Rows
from visearch.records import Metric

Vectors = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float32]

SCORES_PER_BLOCK = 1 << 21
"""Similarities in memory at a time (some 100 MiB, with everything derived from them)."""


def ranked(
    queries: Vectors, gallery: Vectors, similarity: Metric, own: Rows
) -> Iterator[tuple[slice, Rows]]:
    """Yield blocks of queries with the gallery ordered by similarity, highest first.

    Args:
        queries: float32 [q, d].
        gallery: float32 [g, d].
        similarity: ``cosine`` or ``euclidean`` (a smaller distance is more similar). Both
            rank unit vectors, which every visearch encoder gives, in the same order:
            |a − b|² = 2 − 2·a·b. Euclidean distances are not normalised.
        own: int64 [q], each query's own place in the gallery, or -1. It ranks last.

    Yields:
        Which queries, and their gallery places int64 [block, g].

    Similarities are computed in float64 and compared in float32, so that equal vectors tie
    whatever the machine's order of summation. Ties go to the lower place in the gallery.

    Raises:
        ValueError: a vector is not finite.
    """
    for part, scores in _scored(queries, gallery, similarity):
        mine = own[part]
        has_own = np.flatnonzero(mine >= 0)
        scores[has_own, mine[has_own]] = -np.inf
        yield part, np.argsort(-scores, axis=1, kind="stable")


def nearest(queries: Vectors, gallery: Vectors, similarity: Metric) -> Rows:
    """Return the place first in each query's ranking, int64 [q], ordered as in ``ranked``.

    Raises:
        ValueError: a vector is not finite, or the gallery is empty.
    """
    found = [np.argmax(scores, axis=1) for _, scores in _scored(queries, gallery, similarity)]
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _scored(
    queries: Vectors, gallery: Vectors, similarity: Metric
) -> Iterator[tuple[slice, Scores]]:
    wide = _prepared(gallery, similarity)
    step = max(1, SCORES_PER_BLOCK // max(1, len(gallery)))
    for first in range(0, len(queries), step):
        part = slice(first, min(first + step, len(queries)))
        yield part, _similarities(_prepared(queries[part], similarity), wide, similarity)


def _prepared(vectors: Vectors, similarity: Metric) -> npt.NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    if not np.isfinite(wide).all():
        raise ValueError("an embedding contains NaN or infinity: the encoder is broken")
    if similarity == "euclidean":
        return wide
    # Rows of zeros have no direction and stay zeros: similar to nothing.
    return np.asarray(wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12))


def _similarities(
    queries: npt.NDArray[np.float64], gallery: npt.NDArray[np.float64], similarity: Metric
) -> Scores:
    dots = queries @ gallery.T
    if similarity == "cosine":
        return dots.astype(np.float32)
    squares = np.sum(queries**2, axis=1)[:, None] + np.sum(gallery**2, axis=1) - 2 * dots
    return np.asarray(-np.sqrt(squares.clip(min=0)), np.float32)
