"""A ScaNN searcher: search, save, load.

ScaNN's candidates are scored exactly, from the stored vectors: memory holds 8 bits a dimension,
the file 32. ScaNN is never given document ids: it would pickle them.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from math import sqrt
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visearch.index.recall import NEIGHBOURS
from visearch.index.scoring import (
    Floats,
    Rows,
    Vectors,
    check_count,
    check_shape,
    order,
    rescore,
    squared_norms,
)
from visearch.records import TARGET_RECALL, Metric

FIRST = 20
"""Up to so many answers, a page, the leaves that the tree was tuned to are enough."""
_MORE_LEAVES = 2
"""Leaves searched on top of those, before both grow with the length of a longer list."""
_AT_ONCE = 64
"""Queries of a batch whose candidates are read and scored together."""
_DATASET = "dataset.npy"
_ASSETS = "scann_assets.pbtxt"
_SETTINGS = "searcher.json"


@dataclass(frozen=True, kw_only=True)
class SearcherSettings:
    """How a searcher was built; ``leaves`` is 0 where it scores everything.

    ``recall`` is recall@10 against exact search at build, on rows of the array that were not
    allowed to find themselves; ``target`` what was promised. ``curve`` are the settings that
    were tried, each as [leaves searched, candidates reordered, recall].
    """

    metric: Metric
    count: int
    dimension: int
    leaves: int = 0
    leaves_to_search: int = 0
    reorder: int = 0
    recall: float = 1.0
    target: float = TARGET_RECALL
    curve: list[list[float]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Searcher:
    """A ScaNN searcher (``raw``); any number of threads may search it at once."""

    raw: Any
    settings: SearcherSettings

    def search(self, queries: NDArray[Any], k: int, vectors: Vectors) -> tuple[Rows, Floats]:
        """Return rows int64 [q, k'] and exact scores float32 [q, k'], k' = min(k, n).

        Best first, ties by lower row. ``queries`` is float32 [q, d] and ``vectors`` what the
        searcher was built from. A place ScaNN could not fill holds row -1 and score -inf.

        Raises ValueError for a wrong dtype or shape, k < 1 or a query that is not finite (or,
        for ``cosine``, not a unit vector): ScaNN would answer row 0 to a NaN.
        """
        settings = self.settings
        check_count(k)
        check_shape(queries, settings.dimension)
        squared_norms(queries, settings.metric)
        shape = len(queries), min(k, settings.count)
        rows, scores = np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32)
        if len(queries) == 0:  # ScaNN refuses an empty batch
            return rows, scores
        found, distances = self.raw.search_batched(np.ascontiguousarray(queries), *self._ask(k))
        missing = ~_is_answer(found, distances, settings.count)
        near = np.where(missing, 0, found).astype(np.int64)
        for first in range(0, len(queries), _AT_ONCE):
            some = slice(first, first + _AT_ONCE)
            width = min(k, near.shape[1])
            rows[some, :width], scores[some, :width] = _best_of_each(
                queries[some], near[some], missing[some], width, vectors, settings.metric
            )
        return rows, scores

    def nearest(self, query: Floats, k: int, vectors: Vectors) -> tuple[Rows, Floats]:
        """Return what ``search`` does for one contiguous query [d], which it does not check.

        There may be fewer than k.
        """
        found, distances = self.raw.search(query, *self._ask(k))
        near = found[_is_answer(found, distances, self.settings.count)]
        return self._best(query, near, k, vectors)

    def _ask(self, k: int) -> tuple[int, int, int]:
        """Return what ScaNN is asked: how many answers, candidates reordered, leaves searched."""
        settings = self.settings
        leaves, reorder = _effort(settings, k)
        return min(spare(k) if settings.leaves else k, settings.count), reorder, leaves

    def _best(
        self, query: Floats, near: NDArray[Any], k: int, vectors: Vectors
    ) -> tuple[Rows, Floats]:
        rows = near.astype(np.int64)
        scores = rescore(query, vectors[rows], self.settings.metric)
        chosen = order(scores, rows)[:k]
        return rows[chosen], scores[chosen]

    def save(self, folder: Path, *, dataset: str = _DATASET) -> None:
        """Write the searcher into an existing folder that can be moved as a whole.

        ``dataset`` is where, relative to ``folder``, the vectors will lie as a .npy file; by
        default ScaNN's own copy, inside it. Naming another saves writing them twice. (A tree
        has no such copy.)
        """
        self.raw.serialize(str(folder), True)  # True: paths relative to the folder
        if dataset != _DATASET and not self.settings.leaves:
            assets = folder / _ASSETS
            text = assets.read_text(encoding="utf-8")
            assets.write_text(text.replace(f'"{_DATASET}"', f'"{dataset}"'), encoding="utf-8")
            (folder / _DATASET).unlink()
        text = json.dumps(asdict(self.settings), indent=1, sort_keys=True)
        (folder / _SETTINGS).write_text(text, encoding="utf-8")


def load(folder: Path) -> Searcher:
    """Load what ``save`` wrote, wherever the folder is now.

    Raises ValueError if a file is missing, a path leads elsewhere, or ScaNN refuses the files.
    ScaNN's own loader is avoided: it would unpickle a document id file lying in the folder.
    """
    from scann.scann_ops.py import scann_ops_pybind

    try:
        settings = SearcherSettings(**json.loads((folder / _SETTINGS).read_text("utf-8")))
        assets = (folder / _ASSETS).read_text("utf-8")
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"not a saved searcher: {error}") from error
    _check_assets(folder, assets)
    try:
        raw = scann_ops_pybind.scann_pybind.ScannNumpy(str(folder), assets)
    except RuntimeError as error:
        raise ValueError(f"ScaNN refuses the saved searcher: {error}") from error
    return Searcher(scann_ops_pybind.ScannSearcher(raw), settings)


def _check_assets(folder: Path, assets: str) -> None:
    for name in re.findall(r'asset_path:\s*"([^"]*)"', assets):
        if PurePosixPath(name).is_absolute() or not (folder / name).is_file():
            raise ValueError(f"saved searcher names {name!r}, which is not one of its files")


def _best_of_each(
    queries: Floats,
    near: Rows,
    missing: NDArray[np.bool_],
    k: int,
    vectors: Vectors,
    metric: Metric,
) -> tuple[Rows, Floats]:
    """Return rows [q, k] and exact scores [q, k] of the best of ``near`` [q, c]."""
    count, width = near.shape
    read = vectors[near.ravel()]
    exact = rescore(np.repeat(queries, width, axis=0), read, metric).reshape(count, width)
    exact[missing] = -np.inf
    near = np.where(missing, -1, near)
    chosen = np.lexsort((near, -exact), axis=1)[:, :k]
    return np.take_along_axis(near, chosen, 1), np.take_along_axis(exact, chosen, 1)


def spare(k: int) -> int:
    """Return how many rows a tree is asked for, so that the k best are among them.

    Its 8-bit scores err in the third digit, which is how close neighbours often lie.
    """
    return k + max(4, k // 3)


def _effort(settings: SearcherSettings, k: int) -> tuple[int, int]:
    """Return (leaves to search, candidates to reorder) for k neighbours; -1 means unused."""
    if not settings.leaves:
        return -1, -1
    # The tree was tuned at ten neighbours and a row itself. The codes that choose the candidates
    # err more often where neighbours lie close together, and a long list reaches into more leaves,
    # the more so where ten are found in two or three.
    longer = max(1.0, (k - 1) / NEIGHBOURS)
    leaves, reorder = settings.leaves_to_search, int(settings.reorder * sqrt(longer))
    if k <= FIRST:
        return leaves, min(max(reorder, spare(k)), settings.count)
    leaves, reorder = int((leaves + _MORE_LEAVES) * longer), max(reorder, 6 * k)
    return min(leaves, settings.leaves), min(reorder, settings.count)


def _is_answer(rows: NDArray[Any], distances: NDArray[Any], count: int) -> NDArray[np.bool_]:
    """Tell which rows are meant: ScaNN pads a short answer with row 0 and distance NaN."""
    return np.asarray((distances == distances) & (rows < count))  # faster than isnan
