"""Retrieval metrics of single queries, computed from the ranks of relevant pictures.

With binary relevance, R relevant pictures for a query and ranks counted from 1:

``recall@k``
    1 if a relevant picture is among the first k, else 0. This is the recall@k of metric
    learning (Jégou et al. 2011, "Product Quantization for Nearest Neighbor Search"; Oh Song
    et al. 2016, "Deep Metric Learning via Lifted Structured Feature Embedding"), known as
    hit rate in information retrieval. It is not the share of the R pictures found.
``precision@k``
    The relevant share of the first k (Manning, Raghavan and Schütze 2008, "Introduction to
    Information Retrieval", §8.4). The divisor is k even if R or the gallery is smaller.
``average_precision``
    The mean, over all R relevant pictures, of the precision at each one's rank (ibid.); its
    mean over queries is mAP.
``ndcg@k``
    Σ 1/log₂(rank + 1) over relevant pictures among the first k, divided by the same sum of
    the best ranking, min(R, k) relevant pictures first (Järvelin and Kekäläinen 2002,
    "Cumulated gain-based evaluation of IR techniques", with the log₂(rank + 1) discount).
``rank``
    The rank of the first relevant picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

CUTOFFS = (1, 5, 10)
RANK = "rank"

Values = npt.NDArray[np.float64]


def measure(
    hits: npt.NDArray[np.bool_],
    relevant: npt.NDArray[np.int64],
    cutoffs: Sequence[int] = CUTOFFS,
) -> dict[str, Values]:
    """Score ranked answers.

    Args:
        hits: bool [q, g], whether the picture at each rank is relevant, first rank first.
        relevant: int64 [q], the number of relevant pictures (R ≥ 1).
        cutoffs: the k, each ≥ 1.

    Returns:
        float64 [q] by name, as defined above, without precision@1 and ndcg@1, which equal
        recall@1.

    Raises:
        ValueError: a query has no relevant picture, or its hits are not R.
    """
    if (relevant < 1).any() or not np.array_equal(hits.sum(axis=1), relevant):
        raise ValueError("every query must have R ≥ 1 relevant pictures, all of them ranked")
    values: dict[str, Values] = {}
    for k in cutoffs:
        found = hits[:, :k].sum(axis=1)
        values[f"recall@{k}"] = (found > 0).astype(np.float64)
        if k > 1:  # at 1 they equal recall@1
            values[f"precision@{k}"] = found / k
            values[f"ndcg@{k}"] = _ndcg(hits[:, :k], relevant)
    values["average_precision"] = _average_precision(hits, relevant)
    values[RANK] = np.argmax(hits, axis=1).astype(np.float64) + 1
    return values


def _average_precision(hits: npt.NDArray[np.bool_], relevant: npt.NDArray[np.int64]) -> Values:
    query, place = np.nonzero(hits)  # by query, then by rank
    nth = np.arange(len(query)) - np.repeat(np.cumsum(relevant) - relevant, relevant) + 1
    return np.bincount(query, weights=nth / (place + 1), minlength=len(hits)) / relevant


def _ndcg(hits: npt.NDArray[np.bool_], relevant: npt.NDArray[np.int64]) -> Values:
    k = hits.shape[1]
    discount = 1 / np.log2(np.arange(k) + 2)
    best = np.cumsum(discount)[np.minimum(relevant, k) - 1]
    return np.asarray(hits @ discount / best, np.float64)
