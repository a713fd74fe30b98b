"""The oracle against a double loop in plain Python, and everything it refuses."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from clouds import cloud
from hypothesis import given, settings
from hypothesis import strategies as st

from visearch.index import exact, exact_search
from visearch.index.scoring import METRICS, rescore


def plainly(queries, vectors, k, metric):
    """Score every pair with math.fsum and sort by (-score, row)."""

    def score(a, b):
        if metric == "cosine":
            return math.fsum(float(x) * float(y) for x, y in zip(a, b, strict=True))
        return -math.sqrt(math.fsum((float(x) - float(y)) ** 2 for x, y in zip(a, b, strict=True)))

    for query in queries:
        scores = [np.float32(score(query, vector)) for vector in vectors]
        yield sorted((-s, row) for row, s in enumerate(scores))[:k]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("n", "d", "k"), [(1, 2, 3), (7, 3, 7), (60, 5, 9), (300, 33, 5)])
def test_equals_a_double_loop(n, d, k, metric, monkeypatch):
    monkeypatch.setattr(exact, "_BLOCK_ROWS", 64)
    monkeypatch.setattr(exact, "_QUERIES", 3)
    vectors, queries = cloud(1, n, d, metric), cloud(2, 5, d, metric)
    vectors[n // 2 :] = vectors[: n - n // 2]  # twins, so that ties occur
    rows, scores = exact_search(queries, vectors, k, metric)
    assert rows.shape == scores.shape == (5, min(k, n))
    assert (rows.dtype, scores.dtype) == (np.int64, np.float32)
    for row, score, expected in zip(
        rows, scores, plainly(queries, vectors, k, metric), strict=True
    ):
        assert row.tolist() == [r for _, r in expected]
        np.testing.assert_allclose(score, [-s for s, _ in expected], rtol=1e-6, atol=1e-7)


@given(
    n=st.integers(1, 40),
    d=st.integers(2, 9),
    step=st.integers(1, 9),
    metric=st.sampled_from(METRICS),
)
@settings(max_examples=60, deadline=None)
def test_a_score_depends_on_its_own_row_only(n, d, step, metric):
    vectors, query = cloud(n, n, d, metric), cloud(3, 1, d, metric)[0]
    apart = [rescore(query, vectors[i : i + step], metric) for i in range(0, n, step)]
    np.testing.assert_array_equal(rescore(query, vectors, metric), np.concatenate(apart))


def test_near_twins_far_from_the_origin_are_told_apart():
    vectors = np.full((5000, 8), 1000, np.float32)
    vectors[:, 0] += np.random.default_rng(np.random.SeedSequence(1)).permutation(5000) / 1024
    rows, scores = exact_search(vectors[:1], vectors, 3, "euclidean")
    assert rows[0, 0] == 0 and scores[0, 0] == 0
    np.testing.assert_allclose(scores[0, 1:], -1 / 1024, rtol=0.7)


def test_memory_mapped_vectors(tmp_path):
    vectors = cloud(4, 40_000, 16, "euclidean")
    np.save(tmp_path / "v.npy", vectors)
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    for one, other in zip(
        exact_search(vectors[:9], mapped, 5, "euclidean"),
        exact_search(vectors[:9], vectors, 5, "euclidean"),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_nothing_to_find_and_nobody_asking():
    some = cloud(5, 3, 4, "cosine")
    assert exact_search(some, some[:0], 5, "cosine")[0].shape == (3, 0)
    assert exact_search(some[:0], some, 5, "cosine")[1].shape == (0, 3)


UNIT = cloud(6, 4, 3, "cosine")


@pytest.mark.parametrize(
    ("queries", "vectors", "k", "metric"),
    [
        (UNIT.astype(np.float64), UNIT, 1, "cosine"),
        (UNIT, UNIT.astype(np.float16), 1, "cosine"),
        (UNIT[0], UNIT, 1, "cosine"),
        (UNIT, UNIT[:, :2], 1, "euclidean"),
        (UNIT[:, :0], UNIT[:, :0], 1, "euclidean"),
        (UNIT, UNIT, 0, "cosine"),
        (UNIT, UNIT, 1, "dot"),
        (UNIT * np.float32(np.nan), UNIT, 1, "euclidean"),
        (UNIT, UNIT * np.float32(np.inf), 1, "euclidean"),
        (UNIT, UNIT * np.float32(1e30), 1, "euclidean"),
        (UNIT, UNIT * np.float32(2), 1, "cosine"),
        (UNIT, UNIT * np.float32(0), 1, "cosine"),
    ],
)
def test_mistakes_are_refused(queries, vectors, k, metric):
    with pytest.raises(ValueError):
        exact_search(queries, vectors, k, metric)


def test_the_package_does_not_import_scann():
    code = "import sys, visearch.index; sys.exit('scann' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
