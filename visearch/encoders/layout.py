"""Where the parts of an embedding lie in it, without loading jax.

The parts are interleaved, so that the first numbers of an embedding contain the first numbers of
each part.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

WHOLE = "all"
"""The only part of most embeddings."""

INSTANCE = "instance"
"""The part that is trained to be the same for a picture and its edited copies."""

_TRIO = {"general": 2, "kind": 1, INSTANCE: 1}
RATIOS: dict[str, Mapping[str, int]] = {
    "mobilenet_v2_twin": _TRIO,
    "mobilenet_v2_trio": _TRIO,
    "mobilenet_v2_quartet": {"general": 4, "kind": 1, INSTANCE: 1},
}
"""By architecture: how many numbers of each part follow one another."""


def parts(architecture: str, dimension: int) -> dict[str, npt.NDArray[np.intp]]:
    """Return the places of each part's numbers in an embedding of ``dimension`` numbers."""
    ratios = RATIOS.get(architecture, {WHOLE: 1})
    names = [name for name, count in ratios.items() for _ in range(count)]
    cycle = np.resize(np.asarray(names), dimension)
    return {name: np.flatnonzero(cycle == name) for name in ratios}


def parts_of(fingerprint: str, dimension: int) -> dict[str, npt.NDArray[np.intp]]:
    """Return what ``parts`` does for the encoder that has this fingerprint."""
    return parts(fingerprint.rpartition("-")[0], dimension)
