"""Two engines from faiss for ``index.py``, searched on one thread."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
from index_engine import BUILD_THREADS, Effort


class _Faiss(ABC):
    """What the two faiss engines share."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / f"{type(self).__name__}.faiss"

    @abstractmethod
    def factory(self, count: int, dimension: int) -> str:
        """Return faiss's description of the index."""

    def build(self, base: np.ndarray) -> None:
        import faiss

        faiss.omp_set_num_threads(BUILD_THREADS)
        count, dimension = base.shape
        description = self.factory(count, dimension)
        index = faiss.index_factory(dimension, description, faiss.METRIC_INNER_PRODUCT)
        rng = np.random.default_rng(0)
        index.train(base[np.sort(rng.permutation(count)[:200_000])])
        for start in range(0, count, 65_536):
            index.add(np.array(base[start : start + 65_536]))
        faiss.write_index(index, str(self._file))

    def open(self) -> None:
        import faiss

        faiss.omp_set_num_threads(1)
        self._index = faiss.read_index(str(self._file))

    def single(self, query: np.ndarray, k: int) -> Any:
        return self._index.search(query[None], k)

    def batch(self, queries: np.ndarray, k: int) -> np.ndarray:
        _, rows = self._index.search(queries, k)
        return np.asarray(rows, np.int64)

    def bytes_on_disk(self) -> int:
        return self._file.stat().st_size


class FaissHnsw(_Faiss):
    """faiss's HNSW with 32 links per point."""

    def factory(self, count: int, dimension: int) -> str:
        """Return faiss's description of the index."""
        return "HNSW32"

    def efforts(self) -> Iterable[Effort]:
        """Return the settings to try, cheapest first."""
        return [(n,) for n in (10, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 256)]

    def set(self, effort: Effort) -> None:
        """Use this setting."""
        self._index.hnsw.efSearch = effort[0]


class FaissIvfPq(_Faiss):
    """Inverted lists, 4-bit product codes by fast scan, exact reordering."""

    def factory(self, count: int, dimension: int) -> str:
        """Return faiss's description of the index."""
        return f"IVF{isqrt(count)},PQ{dimension // 2}x4fs,RFlat"

    def efforts(self) -> Iterable[Effort]:
        """Return the settings to try, cheapest first."""
        return [(n, f) for n in (2, 5, 10, 20, 40, 80) for f in (5, 10, 20)]

    def set(self, effort: Effort) -> None:
        """Use this setting."""
        import faiss

        probes, self._index.k_factor = effort
        faiss.extract_index_ivf(self._index).nprobe = probes
