"""Coded vectors: how far off they are, and that the compiled part does what numpy would."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from clouds import cloud, coded
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from visearch.index.coded import Coded, encode
from visearch.index.scoring import METRICS, rescore

FINITE = st.floats(-(2.0**60), 2.0**60, width=32)


@given(
    vectors=arrays(np.float32, st.tuples(st.integers(0, 5), st.integers(1, 40)), elements=FINITE)
)
def test_a_number_is_off_by_half_a_step_at_most(vectors):
    codes, steps = encode(vectors)
    assert (codes.dtype, steps.dtype) == (np.int16, np.float32) and (steps > 0).all()
    kept = codes.astype(np.float64) * steps[:, None].astype(np.float64)
    largest = np.abs(vectors).max(axis=1, initial=0)
    assert (steps <= np.maximum(largest / 32_766, np.finfo(np.float32).tiny)).all()
    assert (np.abs(kept - vectors) <= 0.51 * steps[:, None]).all()


@pytest.mark.parametrize("metric", METRICS)
@given(
    n=st.integers(1, 60),
    d=st.integers(1, 140),
    seed=st.integers(0, 1000),
    k=st.integers(1, 70),
    given_rows=st.booleans(),
)
@settings(deadline=None)
def test_the_best_are_those_that_numpy_finds(metric, n, d, seed, k, given_rows):
    """Of twins, too: half of the vectors are copies of others."""
    random = np.random.default_rng(np.random.SeedSequence([n, d, seed]))
    vectors = cloud(seed, n, d, metric)[random.integers(0, n, n)]
    query, keys = cloud(seed + 1, 1, d, metric)[0], random.permutation(n).astype(np.int64) - 9
    table = Coded(codes=(parts := encode(vectors))[0], steps=parts[1], metric=metric, keys=keys)
    chosen = np.sort(random.choice(n, random.integers(0, n + 1), replace=False))
    if given_rows:
        found, scores = table.best(query, k, rows=random.permutation(chosen))
    else:
        found, scores = table.best(query, k, skip=chosen)
        chosen = np.setdiff1d(np.arange(n), chosen)
    assert (found.dtype, scores.dtype) == (np.int64, np.float32)
    assert len(found) == len(scores) == min(k, len(chosen))
    places = np.argsort(keys)[np.searchsorted(np.sort(keys), found)]
    reach = 1 + np.linalg.norm(query) + np.linalg.norm(vectors, axis=1).max(initial=0)
    expected = rescore(query, table.decode(places), metric)
    np.testing.assert_allclose(scores, expected, atol=2e-6 * reach**2, rtol=1e-5)
    alone = {row: table.best(query, 1, rows=np.array([row]))[1][0] for row in chosen.tolist()}
    ordered = sorted(chosen.tolist(), key=lambda row: (-alone[row], keys[row]))[:k]
    assert found.tolist() == keys[ordered].tolist()
    assert scores.tolist() == [alone[row] for row in ordered], "a score depends on its row only"


def test_a_score_is_near_that_of_float32():
    vectors, queries = cloud(1, 3000, 256, "cosine"), cloud(2, 20, 256, "cosine")
    table = coded(vectors, "cosine")
    for query in queries:
        rows, scores = table.best(query, 50)
        np.testing.assert_allclose(scores, rescore(query, vectors[rows], "cosine"), atol=1e-5)


def test_a_long_search_lets_other_threads_run():
    vectors = np.tile(cloud(1, 1000, 256, "cosine"), (300, 1))
    table, query, turns = coded(vectors, "cosine"), vectors[0], []

    def count():
        for _ in range(200):
            turns.append(time.perf_counter())
            time.sleep(0)

    other = threading.Thread(target=count)
    start = time.perf_counter()
    other.start()
    for _ in range(5):
        table.best(query, 10)
    end = time.perf_counter()
    other.join()
    assert sum(start < turn < end for turn in turns) == 200
