"""ScaNN: recall against the oracle, tiny and odd arrays, moved folders, refusals."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from clouds import cloud

from visearch.index import exact_search
from visearch.index.recall import Sample
from visearch.index.scann import build
from visearch.index.scoring import METRICS
from visearch.index.searcher import SearcherSettings, _effort, _is_answer, load


def recall(searcher, vectors, queries, metric, k=10):
    wanted, _ = exact_search(queries, vectors, k, metric)
    found, _ = searcher.search(queries, k, vectors)
    pairs = zip(wanted, found, strict=True)
    return np.mean([np.isin(one, other).mean() for one, other in pairs])


@pytest.mark.parametrize(
    ("metric", "n", "d", "limit"),
    [
        ("cosine", 12_000, 256, 20_000),
        ("cosine", 12_000, 256, 5_000),
        ("cosine", 30_000, 64, 20_000),
        ("euclidean", 30_000, 64, 20_000),
        ("euclidean", 5_000, 33, 20_000),
    ],
)
def test_recall_on_queries_it_was_not_tuned_on(metric, n, d, limit):
    vectors, queries = cloud(1, n, d, metric), cloud(2, 300, d, metric)
    searcher = build(vectors, metric, brute_force_limit=limit)
    assert bool(searcher.settings.leaves) == (n > limit)
    assert searcher.settings.recall >= 0.99
    chosen = searcher.settings
    point = [chosen.leaves_to_search, chosen.reorder, round(chosen.recall, 4)]
    assert point in chosen.curve
    assert recall(searcher, vectors, queries, metric) >= 0.98
    assert recall(searcher, vectors, queries, metric, k=100) >= 0.95


def test_a_promise_costs_what_it_must():
    vectors = cloud(1, 12_000, 64, "cosine")
    low, high = (
        build(vectors, "cosine", brute_force_limit=5_000, target_recall=target).settings
        for target in (0.8, 1.0)
    )
    assert low.recall >= 0.8 and high.recall >= 0.999
    assert low.leaves_to_search < high.leaves_to_search
    assert len(low.curve) < len(high.curve)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("d", [2, 5, 64])
@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 257, 300])
def test_tiny_arrays_and_odd_dimensions(n, d, metric):
    vectors, queries = cloud(n, n, d, metric), cloud(3, 4, d, metric)
    searcher = build(vectors, metric, brute_force_limit=0)
    rows, scores = searcher.search(queries, 20, vectors)
    expected = exact_search(queries, vectors, 20, metric)
    assert rows.shape == scores.shape == (4, min(20, n))
    assert (rows.dtype, scores.dtype) == (np.int64, np.float32)
    if not searcher.settings.leaves:
        np.testing.assert_allclose(scores, expected[1], atol=1e-3)
        assert [sorted(row) for row in rows] == [sorted(row) for row in expected[0]]


def test_what_scann_pads_a_short_answer_with_is_not_an_answer():
    rows = np.array([[4, 0, 0], [9, 2, 0]], np.uint32)
    distances = np.array([[4, np.nan, np.nan], [1, -1e-7, np.nan]], np.float32)
    assert _is_answer(rows, distances, 9).tolist() == [[True, False, False], [False, True, False]]
    vectors = cloud(4, 3, 2, "cosine")
    searcher = build(vectors, "cosine")
    assert searcher.raw.search_batched(vectors, 5)[0].shape == (3, 5)  # why k is cut to n
    assert searcher.search(vectors, 5, vectors)[0].shape == (3, 3)


@pytest.mark.parametrize("metric", METRICS)
def test_one_query_is_answered_as_in_a_batch(metric):
    vectors, queries = cloud(4, 3000, 9, metric), cloud(5, 20, 9, metric)
    for limit in (100, 5000):
        searcher = build(vectors, metric, brute_force_limit=limit)
        for k in (1, 10, 70):
            rows, scores = searcher.search(queries, k, vectors)
            for query, row, score in zip(queries, rows, scores, strict=True):
                one, exact = searcher.nearest(query, k, vectors)
                # A tree's candidates differ a little: ScaNN rounds otherwise in a batch.
                same = np.isin(one, row)
                assert same.mean() >= (0.8 if limit == 100 else 1)
                scores_of = dict(zip(row.tolist(), score.tolist(), strict=True))
                assert exact[same].tolist() == [scores_of[each] for each in one[same].tolist()]


def test_all_points_the_same():
    vectors = np.tile(cloud(5, 1, 16, "cosine"), (1000, 1))
    searcher = build(vectors, "cosine", brute_force_limit=100)
    rows, scores = searcher.search(vectors[:1], 10, vectors)
    assert (rows >= 0).all() and searcher.settings.recall == 1
    np.testing.assert_allclose(scores, 1, atol=1e-5)


@pytest.mark.parametrize("limit", [100, 5000])
@pytest.mark.parametrize("shared", [False, True])
def test_a_saved_folder_may_be_moved(tmp_path, limit, shared):
    vectors, queries = cloud(6, 2000, 9, "cosine"), cloud(7, 20, 9, "cosine")
    built = build(vectors, "cosine", brute_force_limit=limit)
    (tmp_path / "here" / "scann").mkdir(parents=True)
    if shared:
        np.save(tmp_path / "here" / "vectors.npy", vectors)
        built.save(tmp_path / "here" / "scann", dataset="../vectors.npy")
    else:
        built.save(tmp_path / "here" / "scann")
    shutil.move(tmp_path / "here", tmp_path / "there")
    loaded = load(tmp_path / "there" / "scann")
    assert loaded.settings == built.settings
    for one, other in zip(
        *(each.search(queries, 10, vectors) for each in (loaded, built)), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    names = {path.name for path in (tmp_path / "there" / "scann").iterdir()}
    assert ("dataset.npy" not in names) == (shared or limit == 100)
    assert not [name for name in names if name.endswith(".pkl")]


def test_a_pickle_in_the_folder_is_not_opened(tmp_path):
    vectors = cloud(8, 50, 4, "euclidean")
    build(vectors, "euclidean").save(tmp_path)
    (tmp_path / "scann_docids.pkl").write_bytes(b"cos\nabort\n(tR.")  # would end the process
    assert load(tmp_path).search(vectors[:1], 1, vectors)[0][0, 0] == 0


@pytest.mark.parametrize("name", ["searcher.json", "scann_assets.pbtxt", "dataset.npy"])
def test_a_missing_file_is_refused(tmp_path, name):
    build(cloud(9, 50, 4, "euclidean"), "euclidean").save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ValueError):
        load(tmp_path)


def test_a_damaged_or_absolute_asset_is_refused(tmp_path):
    build(cloud(9, 50, 4, "euclidean"), "euclidean").save(tmp_path)
    data = tmp_path / "dataset.npy"
    whole = data.read_bytes()
    data.write_bytes(whole[:300])
    with pytest.raises(ValueError, match="ScaNN refuses"):
        load(tmp_path)
    data.write_bytes(whole)
    assets = tmp_path / "scann_assets.pbtxt"
    assets.write_text(assets.read_text().replace("dataset.npy", str(data)))
    with pytest.raises(ValueError, match="not one of its files"):
        load(tmp_path)


def test_mistakes_are_refused():
    vectors = cloud(10, 50, 4, "cosine")
    for wrong in (vectors[:0], vectors * np.float32(3), vectors.astype(np.float64)):
        with pytest.raises(ValueError):
            build(wrong, "cosine")
    searcher = build(vectors, "cosine")
    for query in (vectors[0], vectors[:1, :3], vectors[:1] * np.float32(np.nan)):
        with pytest.raises(ValueError):
            searcher.search(query, 3, vectors)
    with pytest.raises(ValueError):
        searcher.search(vectors, 0, vectors)
    assert searcher.search(vectors[:0], 3, vectors)[0].shape == (0, 3)


def test_a_longer_list_costs_at_most_everything():
    tree = SearcherSettings(
        metric="cosine", count=30_000, dimension=4, leaves=173, leaves_to_search=5, reorder=90
    )
    assert _effort(tree, 11) == (5, 90) and _effort(tree, 20) == (5, 124)
    assert _effort(tree, 100) == (69, 600)
    assert _effort(tree, 1_000_000) == (173, 30_000)


def test_recall_does_not_count_a_row_as_its_own_neighbour():
    vectors = cloud(11, 500, 16, "cosine")
    sample = Sample(vectors, "cosine")
    assert sample.recall(lambda queries, k: exact_search(queries, vectors, k, "cosine")) == 1
    assert sample.recall(lambda queries, k: exact_search(queries, vectors, 1, "cosine")) == 0
