"""Coded vectors: their error, and the compiled part against numpy."""

from __future__ import annotations

import ctypes
import threading
import time

import numpy as np
import pytest
from clouds import cloud, coded, decoded
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from visearch.index import coded as coded_module
from visearch.index.coded import ERROR, Coded, encode
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
    """Copies included: half of the vectors are copies of others."""
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
    expected = rescore(query, decoded(table)[places], metric)
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
    assert sum(start < turn < end for turn in turns) > 20


@pytest.mark.parametrize("metric", METRICS)
def test_a_copy_of_a_vector_is_as_near_as_can_be(metric):
    vectors = cloud(1, 500, 256, "cosine")
    table = coded(vectors, metric)
    for row in range(0, 500, 25):
        rows, scores = table.best(vectors[row], 1)
        assert rows[0] == row and abs(scores[0] - (metric == "cosine")) < ERROR[metric]


def test_few_and_many_rows_are_scored_alike():
    """Short calls keep the GIL and long ones release it; rows come in two dtypes."""
    vectors = cloud(1, 5_000, 256, "cosine")
    table, query = coded(vectors, "cosine"), cloud(2, 1, 256, "cosine")[0]
    for count in (3_906, 3_907):  # one million numbers between them
        rows = np.arange(count)
        answers = [table.best(query, 9, rows=rows.astype(kind)) for kind in (np.uint32, np.int64)]
        answers += [coded(vectors[:count], "cosine").best(query, 9)]
        for keys, scores in answers:
            assert (keys.tolist(), scores.tolist()) == tuple(a.tolist() for a in answers[0])


def test_mistakes_are_refused():
    table = coded(cloud(1, 10, 6, "cosine"), "cosine")
    query = cloud(2, 1, 6, "cosine")[0]
    for wrong in (query[:5], query.astype(np.float64), query[None]):
        with pytest.raises(ValueError, match="A query must be"):
            table.best(wrong, 1)
    for row in (10, -1, 2**31):
        with pytest.raises(IndexError):
            table.best(query, 1, rows=np.array([0, row]))
    whole = {"codes": table.codes, "steps": table.steps, "keys": np.arange(10)}
    for name, other in (
        ("codes", table.codes.astype(np.int32)),
        ("codes", np.asfortranarray(table.codes)),
        ("steps", table.steps[:9]),
        ("keys", np.arange(9)),
    ):
        with pytest.raises(ValueError, match="contiguous"):
            Coded(**whole | {name: other}, metric="cosine")


@pytest.mark.parametrize("what", ["missing", "another version"])
def test_a_compiled_part_that_is_not_of_this_source_is_refused(what, tmp_path, monkeypatch):
    monkeypatch.setattr(coded_module, "_LIBRARY", tmp_path / "nearest.so")
    if what == "another version":
        monkeypatch.undo()
        monkeypatch.setattr(coded_module, "_VERSION", 2)
    with pytest.raises(ImportError, match="Install visearch again"):
        coded_module._nearest(ctypes.CDLL)
