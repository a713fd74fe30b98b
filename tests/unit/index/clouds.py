"""Vectors the tests in this folder share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visearch.index import LiveIndex, write
from visearch.index.coded import Coded, encode
from visearch.index.manifest import Manifest
from visearch.records import Metric

FINGERPRINT = "tiny-cnn:0123abcd:v1"


def cloud(seed: int, n: int, d: int, metric: Metric, spread: float = 0.6) -> NDArray[np.float32]:
    """Clustered vectors float32 [n, d], of unit norm for ``cosine``; centres depend on d only."""
    centres = np.random.default_rng(np.random.SeedSequence(d)).normal(size=(200, d))
    random = np.random.default_rng(np.random.SeedSequence([seed, n, d]))
    points = centres[random.integers(len(centres), size=n)] + random.normal(size=(n, d)) * spread
    if metric == "cosine":
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points.astype(np.float32)


def save(
    folder: Path, vectors: Any, keys: Any = None, metric: Metric = "cosine", **how: Any
) -> Manifest:
    """Write a generation with made-up names."""
    keys = np.arange(len(vectors), dtype=np.int64) if keys is None else keys
    names = {"id": folder.name, "catalog": 7, "revision": 3, "fingerprint": FINGERPRINT}
    return write(folder, vectors, keys, metric=metric, **names, **how)


def coded(vectors: NDArray[np.float32], metric: Metric) -> Coded:
    """Return the vectors as the index keeps them."""
    codes, steps = encode(vectors)
    return Coded(codes=codes, steps=steps, metric=metric)


def decoded(coded: Coded) -> NDArray[np.float32]:
    """Return the vectors, float32 [n, d], that coded ones stand for."""
    vectors: NDArray[np.float32] = coded.codes * coded.steps[:, None]
    return vectors


def live_keys(index: LiveIndex) -> list[int]:
    """Return every key that a search can find, ascending."""
    found = index.search(np.eye(1, index.dimension, dtype=np.float32)[0], index.size + 1)
    return sorted(neighbour.image for neighbour in found)


def scores_of(index: LiveIndex, key: int) -> list[float]:
    """Return the score of a key along each axis: it tells its vector. Empty if it is not live."""
    axes, only = np.eye(index.dimension, dtype=np.float32), np.array([key], np.int64)
    return [near.score for axis in axes for near in index.search(axis, 1, allowed=only)]


def scores_of_vector(vector: NDArray[np.float32], metric: Metric) -> list[float]:
    """Return what ``scores_of`` must give for a key with this vector."""
    table = coded(vector[None], metric)
    return [float(table.best(axis, 1)[1][0]) for axis in np.eye(len(vector), dtype=np.float32)]


def oracle(
    queries: NDArray[np.float32], vectors: NDArray[np.float32], k: int, metric: Metric
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return what the index must find, to the last bit: every row scored alone, then sorted.

    Rows [q, k'] and scores [q, k'], best first, ties by lower row.
    """
    all_rows, scored = np.arange(len(vectors)), coded(vectors, metric)
    rows = np.empty((len(queries), min(k, len(vectors))), np.int64)
    scores = np.empty(rows.shape, np.float32)
    for i, query in enumerate(queries):
        alone = [scored.best(query, 1, rows=all_rows[j : j + 1])[1] for j in all_rows]
        every = np.concatenate([np.empty(0, np.float32), *alone])
        rows[i] = np.lexsort((all_rows, -every))[:k]
        scores[i] = every[rows[i]]
    return rows, scores
