"""What a score is, by metric, and the conditions that vectors must meet.

A score is float32, and higher is closer: ``cosine`` is the dot product of two unit vectors,
``euclidean`` the negated Euclidean distance. This module is about float32 vectors. The rounding
of a matrix product depends on the shape of its operands, so products only choose candidates
here. The scores of the index itself come from ``coded.py``.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visearch.records import Metric

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Keys = NDArray[np.int64]


METRICS: tuple[Metric, ...] = ("cosine", "euclidean")

_UNIT_TOLERANCE = 1e-3
"""How far the norm of a ``cosine`` vector may be from 1 (float32 and bfloat16 rounding)."""

_ROUNDING = 2.0**-24
_FLOAT = np.dtype(np.float32)


def check_metric(metric: Metric) -> None:
    """Raise ValueError unless ``metric`` is one of ``METRICS``."""
    if metric not in METRICS:
        raise ValueError(f"The metric must be one of {METRICS}, not {metric!r}.")


def check_shape(vectors: NDArray[Any], dimension: int | None = None) -> None:
    """Raise ValueError unless ``vectors`` is float32 [n, dimension], dimension ≥ 1."""
    if vectors.dtype != np.float32 or vectors.ndim != 2 or vectors.shape[1] == 0:
        raise ValueError(f"Vectors must be float32 [n, d], not {vectors.dtype} {vectors.shape}.")
    if dimension is not None and vectors.shape[1] != dimension:
        raise ValueError(f"The vectors have {vectors.shape[1]} dimensions, not {dimension}.")


def check_keys(keys: NDArray[Any]) -> None:
    """Raise ValueError unless ``keys`` is int64 [n]."""
    if keys.dtype != np.int64 or keys.ndim != 1:
        raise ValueError(f"Keys must be int64 [n], not {keys.dtype} {keys.shape}.")


def check_count(k: int) -> None:
    """Raise ValueError unless ``k`` is at least 1."""
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}.")


def squared_norms(vectors: Floats, metric: Metric) -> Floats:
    """Check vectors float32 [n, d] and return their squared norms, float32 [n].

    Raises ValueError for a NaN, an infinity, a norm whose square overflows float32 and, for
    ``cosine``, a norm that is not 1: a vector that was not normalised could win every search.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        squares: Floats = np.einsum("ij,ij->i", vectors, vectors)
    if not np.isfinite(squares).all():
        raise ValueError("Vectors and their squared norms must be finite.")
    if metric == "cosine" and (np.abs(np.sqrt(squares) - 1) > _UNIT_TOLERANCE).any():
        raise ValueError("Cosine vectors must be unit vectors.")
    return squares


def are_unit(vectors: Floats) -> NDArray[np.bool_]:
    """Tell which rows of float32 [n, d] are unit vectors within float32 rounding: bool [n]."""
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.linalg.norm(vectors, axis=1)
    return np.asarray(np.abs(norms - 1) <= _UNIT_TOLERANCE)


def check_query(query: NDArray[Any], dimension: int) -> Floats:
    """Return a query float32 [dimension] as a contiguous array; raises ValueError for another.

    A query need not be a unit vector: one that weighs the parts of embeddings is not.
    """
    if query.dtype != _FLOAT or query.shape != (dimension,):
        expected = f"float32 [{dimension}]"
        raise ValueError(f"A query must be {expected}, not {query.dtype} {query.shape}.")
    row = query if query.flags.c_contiguous else np.ascontiguousarray(query)
    if not isfinite(float(row.dot(row))):
        raise ValueError("A query and its squared norm must be finite.")
    return row


def rescore(query: Floats, vectors: Floats, metric: Metric) -> Floats:
    """Return the scores, float32 [n], of ``vectors`` [n, d] for a query [d].

    Computed in float64 and rounded once. Each score depends only on its own row, not on how many
    rows are scored together.
    """
    wide = vectors.astype(np.float64, order="C")
    if metric == "cosine":
        wide *= query
        scores = wide.sum(axis=1)
    else:
        wide -= query
        wide *= wide
        scores = 0.0 - np.sqrt(wide.sum(axis=1))
    return np.asarray(scores, np.float32)


def coarse(queries: Floats, vectors: Floats, norms: Floats, metric: Metric) -> Floats:
    """Return float32 [q, n] that orders vectors as their scores do, within half of ``slack``.

    ``cosine``: the dot product. ``euclidean``: the negated squared distance, for which
    ``norms`` are the squared norms of ``vectors``.
    """
    dots: Floats = queries @ vectors.T
    if metric == "cosine":
        return dots
    dots *= 2
    dots -= norms
    dots -= np.einsum("ij,ij->i", queries, queries)[:, None]
    return dots


def slack(query: Floats, longest: float, metric: Metric) -> float:
    """Return twice the largest error of ``coarse`` for ``query`` [d].

    ``longest`` is the largest norm among the vectors. The bound is the textbook one for a
    float32 inner product of d terms in any order: d · 2⁻²⁴ · |x| · |y|. A vector whose coarse
    value is more than this below the k-th best cannot be among the k best.
    """
    reach = 1.01 if metric == "cosine" else float(np.linalg.norm(query)) + longest
    return 2 * (query.size + 16) * _ROUNDING * reach**2


def order(scores: Floats, keys: Keys) -> NDArray[np.intp]:
    """Return the order best first, ties by lower key."""
    return np.lexsort((keys, -scores))
