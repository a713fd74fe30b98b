"""Vectors the tests in this folder share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visearch.index import Manifest, write
from visearch.index.coded import Coded, encode
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
    """The vectors as the index keeps them."""
    codes, steps = encode(vectors)
    return Coded(codes=codes, steps=steps, metric=metric)


def kept(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the index gives back of vectors [n, d]."""
    return coded(vectors, "cosine").decode(slice(None))


def oracle(
    queries: NDArray[np.float32], vectors: NDArray[np.float32], k: int, metric: Metric
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """What the index must find, to the last bit: every row scored alone, then sorted.

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
