"""The engines of ``index.py``: ours, bare ScaNN, hnswlib and two from faiss; one thread each.

Bare ScaNN appears twice, both with float32 reordering: set up as in its own documentation
(``scann``), and as ours sets it up (``scann-alike``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from importlib.util import find_spec
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
from index_engine import BUILD_THREADS, Effort, Engine
from index_faiss import FaissHnsw, FaissIvfPq

from visearch.index import LiveIndex, open_generation, write
from visearch.index.searcher import Searcher

_PACKAGES = {"scann": "scann", "hnswlib": "hnswlib", "faiss-hnsw": "faiss", "faiss-ivfpq": "faiss"}


def require(name: str) -> None:
    """Exit with a message if the engine is not installed."""
    package = _PACKAGES.get(name, "scann")
    if find_spec(package) is None:
        wheel = "faiss-cpu" if package == "faiss" else package
        raise SystemExit(f"The engine {name} is not installed. Run `pip install {wheel}`.")


_GRID = [
    (leaves, reorder)
    for leaves in (1, 2, 3, 4, 6, 10, 16, 25, 40)
    for reorder in (20, 30, 45, 60, 80, 100, 150, 200, 300, 450)
    if reorder <= 200 * leaves
]
"""Leaves searched and candidates rescored, for ours and for bare ScaNN."""


class _Ours:
    """A generation as workers open it, searched through a ``LiveIndex``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "generation"

    def build(self, base: np.ndarray) -> None:
        write(
            self._folder,
            base,
            np.arange(len(base), dtype=np.int64),
            id="bench",
            catalog=1,
            revision=1,
            fingerprint="bench",
            metric="cosine",
            threads=BUILD_THREADS,
        )

    def open(self) -> None:
        self._generation = open_generation(self._folder, fingerprint="bench")
        self._index = LiveIndex.on(self._generation)

    def efforts(self) -> Iterable[Effort]:
        searcher = self._generation.searcher
        if searcher is None:
            return [(0, 0)]
        return [effort for effort in _GRID if effort[0] <= searcher.settings.leaves]

    def set(self, effort: Effort) -> None:
        self._chosen, searcher = self._generation, self._generation.searcher
        if searcher is None:
            return
        settings = replace(searcher.settings, leaves_to_search=effort[0], reorder=effort[1])
        self._chosen = replace(self._generation, searcher=Searcher(searcher.raw, settings))
        self._index = LiveIndex.on(self._chosen)

    def single(self, query: np.ndarray, k: int) -> Any:
        return self._index.nearest(query, k)

    def batch(self, queries: np.ndarray, k: int) -> np.ndarray:
        rows, _ = self._chosen.search(queries, k)
        return self._chosen.keys[rows]

    def bytes_on_disk(self) -> int:
        return _size(self._folder)


class _BareScann:
    """ScaNN's own builder, with the settings of its documentation's example and SOAR."""

    name = "scann"

    def __init__(self, folder: Path) -> None:
        self._folder = folder / self.name

    def build(self, base: np.ndarray) -> None:
        from scann.scann_ops.py import scann_ops_pybind

        leaves = isqrt(len(base)) if len(base) > 20_000 else 0
        builder = scann_ops_pybind.builder(base, 10, "dot_product")
        builder.set_n_training_threads(BUILD_THREADS)
        if leaves:
            self._configure(builder, leaves)
            raw = builder.reorder(100).build()
        else:
            raw = builder.score_brute_force().build()
        self._folder.mkdir()
        raw.serialize(str(self._folder))

    def _configure(self, builder: Any, leaves: int) -> None:
        builder.tree(leaves, 10, training_sample_size=250_000, soar_lambda=1.5)
        builder.score_ah(2, anisotropic_quantization_threshold=0.2)

    def open(self) -> None:
        from scann.scann_ops.py import scann_ops_pybind

        self._raw = scann_ops_pybind.load_searcher(str(self._folder))
        self._leaves = isqrt(self._raw.size()) if self._raw.size() > 20_000 else 0

    def efforts(self) -> Iterable[Effort]:
        if not self._leaves:
            return [(-1, -1)]
        return [effort for effort in _GRID if effort[0] <= self._leaves]

    def set(self, effort: Effort) -> None:
        self._effort = effort

    def single(self, query: np.ndarray, k: int) -> Any:
        leaves, reorder = self._effort
        return self._raw.search(query, k, reorder, leaves)

    def batch(self, queries: np.ndarray, k: int) -> np.ndarray:
        leaves, reorder = self._effort
        rows, _ = self._raw.search_batched(queries, k, reorder, leaves)
        return rows.astype(np.int64)

    def bytes_on_disk(self) -> int:
        return _size(self._folder)


class _AlikeScann(_BareScann):
    """ScaNN trained with the settings that ours chose; ours must be built first."""

    name = "scann-alike"

    def _configure(self, builder: Any, leaves: int) -> None:
        ours = json.loads((self._folder.parent / "generation/scann/searcher.json").read_text())
        builder.tree(leaves, 10, training_sample_size=250 * leaves, random_init=False)
        builder.score_ah(ours["block"], anisotropic_quantization_threshold=0.2)


class _Hnswlib:
    """hnswlib with 16 links per point."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "hnswlib.bin"

    def build(self, base: np.ndarray) -> None:
        import hnswlib

        index = hnswlib.Index(space="ip", dim=base.shape[1])
        index.init_index(len(base), M=16, ef_construction=200, random_seed=0)
        index.set_num_threads(BUILD_THREADS)
        for start in range(0, len(base), 65_536):
            some = np.array(base[start : start + 65_536])
            index.add_items(some, np.arange(start, start + len(some)))
        index.save_index(str(self._file))
        np.save(self._file.with_suffix(".npy"), base.shape[1])

    def open(self) -> None:
        import hnswlib

        dimension = int(np.load(self._file.with_suffix(".npy")))
        self._index = hnswlib.Index(space="ip", dim=dimension)
        self._index.load_index(str(self._file))
        self._index.set_num_threads(1)

    def efforts(self) -> Iterable[Effort]:
        return [(n,) for n in (10, 20, 30, 40, 50, 60, 70, 80, 100, 120, 140, 160, 200, 300)]

    def set(self, effort: Effort) -> None:
        self._index.set_ef(effort[0])

    def single(self, query: np.ndarray, k: int) -> Any:
        return self._index.knn_query(query, k)

    def batch(self, queries: np.ndarray, k: int) -> np.ndarray:
        rows, _ = self._index.knn_query(queries, k)
        return rows.astype(np.int64)

    def bytes_on_disk(self) -> int:
        return self._file.stat().st_size


ENGINES: dict[str, type[Engine]] = {
    "ours": _Ours,
    "scann": _BareScann,
    "scann-alike": _AlikeScann,
    "hnswlib": _Hnswlib,
    "faiss-hnsw": FaissHnsw,
    "faiss-ivfpq": FaissIvfPq,
}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
