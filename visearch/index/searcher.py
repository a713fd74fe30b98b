"""A ScaNN tree over coded vectors: search, save, load.

ScaNN's tree and its 4-bit codes choose candidates, and every candidate is scored exactly from
its 16-bit codes. ScaNN holds no vectors, and it is never given document ids, because it would
pickle them.
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

from visearch.index.coded import Coded
from visearch.index.exact import Found
from visearch.index.recall import NEIGHBOURS
from visearch.index.scoring import Floats, Rows
from visearch.records import TARGET_RECALL, Metric

FIRST = 20
"""Up to this many answers (a page), the leaves that the tree was tuned to are enough."""
_MORE_LEAVES = 2
"""Leaves added for a longer list, before the sum grows with its length."""
_AT_ONCE = 1 << 21
"""Most candidates of a batch in memory at a time."""
_ASSETS = "scann_assets.pbtxt"
_SETTINGS = "searcher.json"


@dataclass(frozen=True, kw_only=True)
class SearcherSettings:
    """How a tree was built and is searched.

    ``block`` is how many numbers of a vector share one 4-bit code. ``recall`` is recall@10
    against exact search at build, on rows of the array that do not count as their own
    neighbours; ``target`` is what was promised. ``curve`` lists the settings that were tried,
    each as [leaves searched, candidates scored, recall].
    """

    metric: Metric
    count: int
    leaves: int
    block: int
    leaves_to_search: int
    reorder: int
    recall: float
    target: float = TARGET_RECALL
    curve: list[list[float]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Searcher:
    """A ScaNN tree (``raw``); any number of threads may search it at once."""

    raw: Any
    settings: SearcherSettings

    def nearest(self, query: Floats, k: int, coded: Coded) -> Found:
        """Return rows int64 [k'] and exact scores float32 [k'] of a query [d] already checked.

        Best first, ties by lower row; there may be fewer than k. ``coded`` is what the tree was
        built over.
        """
        leaves, reorder = _effort(self.settings, k)
        found, _ = self.raw.search(query, reorder, reorder, leaves)  # never padded, as a batch is
        return coded.best(query, k, rows=found)

    def search(self, queries: Floats, k: int, coded: Coded) -> tuple[Rows, Floats]:
        """Return what ``nearest`` does for each query of [q, d], q ≥ 1: [q, k'], k' = min(k, n).

        A place that could not be filled holds row -1 and score -inf.
        """
        shape = len(queries), min(k, self.settings.count)
        rows, scores = np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32)
        asked = np.ascontiguousarray(queries)
        leaves, reorder = _effort(self.settings, k)
        step = max(1, _AT_ONCE // reorder)
        for first in range(0, len(asked), step):
            some = asked[first : first + step]
            near, distances = self.raw.search_batched(some, reorder, reorder, leaves, False, 0)
            answers = _is_answer(near, distances, self.settings.count)
            for i, query in enumerate(some):
                found, exact = coded.best(query, k, rows=near[i][answers[i]])
                row = first + i
                rows[row, : len(found)], scores[row, : len(found)] = found, exact
        return rows, scores

    def save(self, folder: Path) -> None:
        """Write the searcher into an existing folder that can be moved as a whole."""
        self.raw.serialize(str(folder), True)  # True: paths relative to the folder
        text = json.dumps(asdict(self.settings), indent=1, sort_keys=True)
        (folder / _SETTINGS).write_text(text, encoding="utf-8")


def load(folder: Path) -> Searcher:
    """Load what ``save`` wrote, wherever the folder is now.

    Raises ValueError if a file is missing, a path leads outside, or ScaNN refuses the files.
    ScaNN's own loader is not used: it would unpickle any file of document ids in the folder.
    """
    from scann.scann_ops.py import scann_ops_pybind

    try:
        settings = SearcherSettings(**json.loads((folder / _SETTINGS).read_text("utf-8")))
        assets = (folder / _ASSETS).read_text("utf-8")
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"The folder contains no saved searcher: {error}") from error
    _check_assets(folder, assets)
    try:
        raw = scann_ops_pybind.scann_pybind.ScannNumpy(str(folder), assets)
    except RuntimeError as error:
        raise ValueError(f"ScaNN refuses the saved searcher: {error}") from error
    return Searcher(raw, settings)


def _check_assets(folder: Path, assets: str) -> None:
    for name in re.findall(r'asset_path:\s*"([^"]*)"', assets):
        if PurePosixPath(name).is_absolute() or not (folder / name).is_file():
            raise ValueError(f"The saved searcher names {name!r}, which is not one of its files.")


def _effort(settings: SearcherSettings, k: int) -> tuple[int, int]:
    """Return (leaves to search, candidates to score) for k neighbours."""
    # The tree was tuned for ten neighbours and the row itself. The codes that choose candidates err
    # more often where neighbours are close together, and a longer list extends into more leaves,
    # especially if ten are found in two or three.
    leaves, reorder = settings.leaves_to_search, settings.reorder
    longer = (k - 1) / NEIGHBOURS
    if longer <= 1:
        return leaves, max(reorder, min(k, settings.count))
    reorder = int(reorder * sqrt(longer))
    if k <= FIRST:
        return leaves, min(max(reorder, k), settings.count)
    leaves, reorder = int((leaves + _MORE_LEAVES) * longer), max(reorder, 6 * k)
    return min(leaves, settings.leaves), min(reorder, settings.count)


def _is_answer(rows: NDArray[Any], distances: NDArray[Any], count: int) -> NDArray[np.bool_]:
    """Tell which rows of a batch are answers: ScaNN pads with row 0 and distance NaN."""
    return np.asarray((distances == distances) & (rows < count))  # faster than isnan
