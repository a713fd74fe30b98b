"""The vectors for ``index.py``: drawn around centres, from a file, or embedded from pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from common import pictures

CLUSTER_SPREAD = 0.6
"""Length of the noise around a centre of length 1."""
_AT_ONCE = 512


def vectors_of(
    sources: Sequence[str], count: int, queries: int, dimension: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return a base, float32 [n, d], and queries, float32 [q, d]: unit rows, none in both.

    ``sources`` is ``clustered``, a .npy [n, d], or archives whose pictures the bundled encoder
    embeds. The base has at most ``count`` rows.
    """
    if sources == ["clustered"]:
        both = clustered(count + queries, dimension)
    else:
        both = embedded(sources) if sources[0].endswith(".zip") else np.load(sources[0])
        both = np.random.default_rng(0).permutation(both.astype(np.float32))[: count + queries]
    return both[queries:], both[:queries]


def clustered(count: int, dimension: int) -> np.ndarray:
    """Return unit vectors around √n centres, float32 [count, dimension]."""
    rng = np.random.default_rng(0)
    centres = _unit(rng.standard_normal((int(count**0.5), dimension), np.float32))
    out = np.empty((count, dimension), np.float32)
    for start in range(0, count, 65_536):
        rows = slice(start, min(start + 65_536, count))
        size = rows.stop - rows.start
        noise = _unit(rng.standard_normal((size, dimension), np.float32))
        own = centres[rng.integers(0, len(centres), size)]
        out[rows] = _unit(own + CLUSTER_SPREAD * noise)
    return rng.permutation(out)


def embedded(archives: Sequence[str]) -> np.ndarray:
    """Return the bundled encoder's embeddings of all pictures, without duplicates."""
    from visearch.encoders.encoder import Encoder
    from visearch.images import decode

    encoder = Encoder.open("bundled")
    files = [picture for archive in archives for picture in pictures(Path(archive)).values()]
    found = [
        encoder.embed([decode(picture) for picture in files[start : start + _AT_ONCE]])
        for start in range(0, len(files), _AT_ONCE)
    ]
    return np.unique(np.concatenate(found), axis=0)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
