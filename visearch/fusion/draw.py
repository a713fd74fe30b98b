"""Which pictures of a catalog its weights are fitted on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.intp]

MOST_PICTURES = 5_000
"""So many pictures are searched by the copies; more would take longer and say little more."""
COPIES = 400
"""So many are copied, which an encoder takes some ten seconds for."""


def draw(pictures: int, most: int, seed: int = 0) -> Rows:
    """Return at most so many of n pictures, by place, ascending."""
    return np.sort(np.random.default_rng(seed).permutation(pictures)[:most])
