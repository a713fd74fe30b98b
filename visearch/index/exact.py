"""Exact nearest neighbours in float32: the reference every other search is measured against.

It reads the vectors in blocks, so a file of any length needs little memory. In each block, a
float32 matrix product finds every row that could be among the best (see ``scoring.slack``), and
only those are scored.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visearch.index.scoring import (
    Floats,
    Keys,
    Rows,
    check_count,
    check_metric,
    check_shape,
    coarse,
    order,
    rescore,
    slack,
    squared_norms,
)
from visearch.records import Metric

Found = tuple[Rows, Floats]

_BLOCK_FLOATS = 1 << 22
_BLOCK_ROWS = 1 << 14
_QUERIES = 256


def exact_search(queries: NDArray[Any], vectors: NDArray[Any], k: int, metric: Metric) -> Found:
    """Return the k nearest vectors of each query, best first, ties by lower row.

    ``queries`` is float32 [q, d]; ``vectors`` is float32 [n, d] and may be memory-mapped. The
    answer is rows int64 [q, k'] and scores float32 [q, k'], with k' = min(k, n).

    Raises ValueError for a wrong dtype or shape, k < 1, a value that is not finite or, for
    ``cosine``, one of the vectors searched that is not a unit vector.
    """
    check_metric(metric)
    check_count(k)
    check_shape(queries)
    check_shape(vectors, queries.shape[1])
    squared_norms(queries, "euclidean")  # finite; those that weigh parts are no unit vectors
    best = [nothing() for _ in range(len(queries))]
    for first, block in blocks(vectors):
        norms = squared_norms(block, metric)
        for low in range(0, len(queries), _QUERIES):
            some = queries[low : low + _QUERIES]
            for i, found in enumerate(_search_block(some, first, block, norms, k, metric), low):
                best[i] = merge(best[i], found, k)
    return _stack(best, min(k, len(vectors)))


def blocks(vectors: Floats) -> Iterator[tuple[int, Floats]]:
    """Yield (first row, contiguous rows) over vectors [n, d], some 16 MiB at a time."""
    step = max(1, min(_BLOCK_ROWS, _BLOCK_FLOATS // vectors.shape[1]))
    for first in range(0, len(vectors), step):
        yield first, np.ascontiguousarray(vectors[first : first + step])


def nothing() -> Found:
    """Return no keys and no scores."""
    return np.empty(0, np.int64), np.empty(0, np.float32)


def merge(one: Found, other: Found, k: int) -> Found:
    """Return the k best of two answers, ties by lower key (or row)."""
    keys = np.concatenate((one[0], other[0]))
    scores = np.concatenate((one[1], other[1]))
    chosen = order(scores, keys)[:k]
    return keys[chosen], scores[chosen]


def _search_block(
    queries: Floats, first: int, block: Floats, norms: Floats, k: int, metric: Metric
) -> Iterator[Found]:
    rows = np.arange(first, first + len(block), dtype=np.int64)
    for query, rough in zip(queries, coarse(queries, block, norms, metric), strict=True):
        within = _slack(query, norms, metric)
        yield _best_of(query, block, rows, rough, within, k, metric)


def _slack(query: Floats, norms: Floats, metric: Metric) -> float:
    return slack(query, float(np.sqrt(norms.max())), metric)


def _best_of(
    query: Floats,
    block: Floats,
    keys: Keys,
    rough: Floats,
    within: float,
    k: int,
    metric: Metric,
) -> Found:
    bar = -np.inf
    if k < rough.size:
        bar = float(np.partition(rough, rough.size - k)[rough.size - k]) - within
    near = np.flatnonzero(rough >= bar)
    scores = rescore(query, block[near], metric)
    chosen = order(scores, keys[near])[:k]
    return keys[near[chosen]], scores[chosen]


def _stack(best: list[Found], k: int) -> Found:
    rows, scores = np.empty((len(best), k), np.int64), np.empty((len(best), k), np.float32)
    for i, found in enumerate(best):
        rows[i], scores[i] = found
    return rows, scores
