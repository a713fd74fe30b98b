"""Metrics against their definitions written as loops, and cases done by hand."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visearch.evaluation.metrics import measure

CUTOFFS = (1, 2, 3, 5, 8, 20)

rankings = st.integers(1, 12).flatmap(
    lambda g: st.lists(
        st.lists(st.booleans(), min_size=g, max_size=g).filter(any), min_size=1, max_size=6
    )
)


def measured(rows: list[list[bool]]) -> dict[str, np.ndarray]:
    hits = np.asarray(rows)
    return measure(hits, hits.sum(axis=1), CUTOFFS)


def plainly(row: list[bool]) -> dict[str, float]:
    """One query, as the definitions say it."""
    ranks = [rank for rank, hit in enumerate(row, start=1) if hit]
    values = {"rank": float(ranks[0])}
    precisions = [sum(row[:rank]) / rank for rank in ranks]
    values["average_precision"] = sum(precisions) / len(ranks)
    for k in CUTOFFS:
        values[f"recall@{k}"] = float(any(row[:k]))
        if k == 1:
            continue
        values[f"precision@{k}"] = sum(row[:k]) / k
        gained = sum(1 / math.log2(rank + 1) for rank in ranks if rank <= k)
        best = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(ranks)) + 1))
        values[f"ndcg@{k}"] = gained / best
    return values


@given(rankings)
def test_every_metric_is_its_definition(rows: list[list[bool]]) -> None:
    ours = measured(rows)
    for i, row in enumerate(rows):
        expected = plainly(row)
        assert {name: each[i] for name, each in ours.items()} == pytest.approx(expected)


@given(rankings)
def test_shares_lie_between_0_and_1_and_recall_grows_with_k(rows: list[list[bool]]) -> None:
    ours = measured(rows)
    for name, each in ours.items():
        if name != "rank":
            assert (each >= 0).all() and (each <= 1 + 1e-12).all()
    recalls = [ours[f"recall@{k}"] for k in CUTOFFS]
    assert all((b >= a).all() for a, b in pairwise(recalls))


def test_a_ranking_by_hand() -> None:
    # Relevant at ranks 2 and 4 of five.
    ours = measure(np.asarray([[0, 1, 0, 1, 0]], bool), np.asarray([2]), (1, 5))
    assert {name: each[0] for name, each in ours.items()} == pytest.approx(
        {
            "recall@1": 0,
            "recall@5": 1,
            "precision@5": 2 / 5,
            "ndcg@5": (1 / math.log2(3) + 1 / math.log2(5)) / (1 + 1 / math.log2(3)),
            "average_precision": (1 / 2 + 2 / 4) / 2,
            "rank": 2,
        }
    )


def test_a_perfect_ranking_scores_1_everywhere_it_can() -> None:
    ours = measured([[True, True, False, False]])
    assert all(ours[f"recall@{k}"][0] == 1 for k in CUTOFFS)
    assert all(ours[f"ndcg@{k}"][0] == 1 for k in CUTOFFS[1:])
    assert ours["average_precision"][0] == ours["rank"][0] == 1
    assert ours["precision@20"][0] == 2 / 20  # k counts, not what there is


@pytest.mark.parametrize("relevant", [0, 1, 3])
def test_a_wrong_count_of_relevant_pictures_is_refused(relevant: int) -> None:
    with pytest.raises(ValueError, match="R ≥ 1"):
        measure(np.asarray([[True, True, False]]), np.asarray([relevant]))
