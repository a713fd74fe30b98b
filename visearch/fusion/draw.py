"""Which pictures of a catalog its weights are fitted on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.intp]

MOST_PICTURES = 5_000
"""So many pictures are searched by the copies; more would take longer and say little more."""
COPIES = 400
"""So many are copied, which an encoder takes some ten seconds for."""


def draw(pictures: int, seed: int = 0) -> tuple[Rows, Rows]:
    """Return which of n pictures to search, and which of those, by place, to copy; ascending."""
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(pictures)[:MOST_PICTURES])
    return chosen, np.sort(rng.permutation(len(chosen))[:COPIES])
