"""Measure recall: how much of the exact answer a searcher finds.

The queries are rows of the array itself. A query does not count as its own neighbour: that free
hit would hide a tenth of what is missed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from visearch.index.exact import exact_search
from visearch.index.scoring import Floats, Rows, rescore
from visearch.records import Metric

Search = Callable[[Floats, int], tuple[Rows, Floats]]

NEIGHBOURS = 10
"""Recall is measured at this many neighbours."""

_SAMPLE = 256


class Sample:
    """Rows of the array as queries, with their exact answers (without themselves)."""

    def __init__(self, vectors: Floats, metric: Metric) -> None:
        """Draw queries from vectors float32 [n, d], n ≥ 1, and compute their exact answers."""
        random = np.random.default_rng(np.random.SeedSequence(len(vectors)))
        size = min(_SAMPLE, len(vectors))
        self._rows = np.sort(random.choice(len(vectors), size, replace=False))
        self._vectors, self._metric = vectors, metric
        self._queries = np.ascontiguousarray(vectors[self._rows])
        self._neighbours = min(NEIGHBOURS, len(vectors) - 1)
        self._bars = self._exact_bars()

    def _exact_bars(self) -> list[float]:
        rows, scores = exact_search(
            self._queries, self._vectors, self._neighbours + 1, self._metric
        )
        others = rows != self._rows[:, None]
        # Among many identical rows, a row may be missing from its own answer; then all are others.
        return [
            float(score[other][: self._neighbours].min(initial=np.inf))
            for score, other in zip(scores, others, strict=True)
        ]

    def recall(self, search: Search) -> float:
        """Return the share, 0 to 1, of true neighbours that ``search(queries, k)`` finds.

        ``search`` returns rows int64 [q, k], -1 for none, and scores. A row counts as found by its
        exact score, so of two identical rows either will do.
        """
        if self._neighbours == 0:
            return 1.0
        rows, _ = search(self._queries, self._neighbours + 1)
        answers = zip(self._rows, self._queries, rows, self._bars, strict=True)
        found = sum(self._hits(*answer) for answer in answers)
        return found / (self._neighbours * len(self._rows))

    def _hits(self, own: int, query: Floats, rows: Rows, bar: float) -> int:
        others = rows[(rows >= 0) & (rows != own)][: self._neighbours]
        scores = rescore(query, self._vectors[others], self._metric)
        return int((scores >= bar).sum())
