"""Vectors the tests in this folder share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visearch.index import Manifest, write
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


def save(folder: Path, vectors: Any, keys: Any = None, metric: Metric = "cosine") -> Manifest:
    """Write a generation with made-up names."""
    keys = np.arange(len(vectors), dtype=np.int64) if keys is None else keys
    names = {"id": folder.name, "catalog": 7, "revision": 3, "fingerprint": FINGERPRINT}
    return write(folder, vectors, keys, metric=metric, **names)
