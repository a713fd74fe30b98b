"""The interface that ``index.py`` needs from an engine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

BUILD_THREADS = 2
Effort = tuple[int, ...]


class Engine(Protocol):
    """An index over unit vectors, by dot product."""

    def __init__(self, folder: Path) -> None:
        """Use ``folder`` for files."""

    def build(self, base: np.ndarray) -> None:
        """Build over float32 [n, d] and save."""

    def open(self) -> None:
        """Load what was saved."""

    def efforts(self) -> Iterable[Effort]:
        """Return the settings to try, cheapest first."""

    def set(self, effort: Effort) -> None:
        """Use this setting."""

    def single(self, query: np.ndarray, k: int) -> Any:
        """Search one query, float32 [d]."""

    def batch(self, queries: np.ndarray, k: int) -> np.ndarray:
        """Search float32 [q, d]; returns rows int64 [q, k]."""

    def bytes_on_disk(self) -> int:
        """Return the size of the saved files."""
