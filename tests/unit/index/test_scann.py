"""ScaNN: recall against the oracle, tiny and odd arrays, moved folders, refusals."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from clouds import cloud, coded, oracle

from visearch.index import exact_search, scann, tuning
from visearch.index.recall import Sample
from visearch.index.scoring import METRICS
from visearch.index.searcher import SearcherSettings, _effort, _is_answer, load


def build(vectors, metric, target_recall=0.98):
    sample = Sample(vectors, metric)
    return scann.build(vectors, coded(vectors, metric), sample, target_recall=target_recall)


def recall(searcher, vectors, queries, metric, k=10):
    wanted, _ = exact_search(queries, vectors, k, metric)
    found, _ = searcher.search(queries, k, coded(vectors, metric))
    pairs = zip(wanted, found, strict=True)
    return np.mean([np.isin(one, other).mean() for one, other in pairs])


@pytest.mark.parametrize(
    ("metric", "n", "d"),
    [("cosine", 12_000, 256), ("cosine", 30_000, 64), ("euclidean", 30_000, 33)],
)
def test_recall_on_queries_it_was_not_tuned_on(metric, n, d):
    vectors, queries = cloud(1, n, d, metric), cloud(2, 300, d, metric)
    searcher = build(vectors, metric)
    chosen = searcher.settings
    assert chosen.recall >= 0.99
    point = [chosen.leaves_to_search, chosen.reorder, round(chosen.recall, 4)]
    assert point in chosen.curve
    assert recall(searcher, vectors, queries, metric) >= 0.98
    assert recall(searcher, vectors, queries, metric, k=100) >= 0.95


def test_a_promise_costs_what_it_must():
    vectors = cloud(1, 12_000, 64, "cosine")
    low, high = (build(vectors, "cosine", target).settings for target in (0.8, 1.0))
    assert low.recall >= 0.8 and high.recall >= 0.999
    assert low.leaves_to_search < high.leaves_to_search
    assert len(low.curve) < len(high.curve)


@pytest.mark.parametrize(("candidate", "d", "block"), [(4_000, 64, 1), (1, 64, 2), (4_000, 264, 2)])
def test_finer_codes_are_taken_where_candidates_cost_more(candidate, d, block, monkeypatch):
    monkeypatch.setattr(tuning, "_CANDIDATE", candidate)
    blob = np.random.default_rng(np.random.SeedSequence(d)).normal(size=(4_000, d))
    vectors = (blob / np.linalg.norm(blob, axis=1, keepdims=True)).astype(np.float32)
    settings = build(vectors, "cosine").settings
    assert settings.block == block  # ScaNN adds up at most 256 codes
    assert settings.recall >= 0.99


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("d", [2, 5, 64])
@pytest.mark.parametrize("n", [257, 300])
def test_small_trees_and_odd_dimensions(n, d, metric):
    vectors, queries = cloud(n, n, d, metric), cloud(3, 4, d, metric)
    rows, scores = build(vectors, metric).search(queries, 20, coded(vectors, metric))
    assert rows.shape == scores.shape == (4, 20)
    assert (rows.dtype, scores.dtype) == (np.int64, np.float32)
    expected = oracle(queries, vectors, n, metric)
    for found, exact, every, score in zip(rows, scores, *expected, strict=True):
        of_row = dict(zip(every.tolist(), score.tolist(), strict=True))
        assert [of_row[row] for row in found[found >= 0].tolist()] == exact[found >= 0].tolist()


def test_what_scann_pads_a_short_answer_with_is_not_an_answer():
    rows = np.array([[4, 0, 0], [9, 2, 0]], np.uint32)
    distances = np.array([[4, np.nan, np.nan], [1, -1e-7, np.nan]], np.float32)
    assert _is_answer(rows, distances, 9).tolist() == [[True, False, False], [False, True, False]]
    vectors = cloud(4, 300, 2, "cosine")
    searcher, kept = build(vectors, "cosine"), coded(vectors, "cosine")
    padded, distances = searcher.raw.search_batched(vectors[:1], 300, 300, 1, False, 0)
    assert padded.shape == (1, 300) and np.isnan(distances[0, -1])  # one leaf has fewer
    one_leaf = SearcherSettings(
        metric="cosine", count=300, leaves=17, block=2, leaves_to_search=1, reorder=200, recall=0.0
    )
    searcher = type(searcher)(searcher.raw, one_leaf)
    query = min(vectors, key=lambda each: len(searcher.raw.search(each, 300, 300, 1)[0]))
    rows, scores = searcher.search(query[None], 20, kept)
    found, exact = searcher.nearest(query, 20, kept)
    assert len(found) < 20 and rows[0, : len(found)].tolist() == found.tolist()
    assert (rows[0, len(found) :] == -1).all() and np.isneginf(scores[0, len(found) :]).all()
    assert scores[0, : len(found)].tolist() == exact.tolist()


@pytest.mark.parametrize("metric", METRICS)
def test_one_query_is_answered_as_in_a_batch(metric):
    vectors, queries = cloud(4, 3000, 9, metric), cloud(5, 20, 9, metric)
    searcher, kept = build(vectors, metric), coded(vectors, metric)
    for k in (1, 10, 70):
        rows, scores = searcher.search(queries, k, kept)
        for query, row, score in zip(queries, rows, scores, strict=True):
            one, exact = searcher.nearest(query, k, kept)
            # The candidates differ a little: ScaNN rounds differently in a batch.
            same = np.isin(one, row)
            assert same.mean() >= 0.8
            scores_of = dict(zip(row.tolist(), score.tolist(), strict=True))
            assert exact[same].tolist() == [scores_of[each] for each in one[same].tolist()]


def test_all_points_the_same():
    vectors = np.tile(cloud(5, 1, 16, "cosine"), (1000, 1))
    searcher = build(vectors, "cosine")
    rows, scores = searcher.search(vectors[:1], 10, coded(vectors, "cosine"))
    assert (rows >= 0).all() and searcher.settings.recall == 1
    np.testing.assert_allclose(scores, 1, atol=1e-4)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A saved tree; copy before you break it."""
    folder = tmp_path_factory.mktemp("trees") / "scann"
    folder.mkdir()
    built = build(cloud(6, 2000, 9, "cosine"), "cosine")
    built.save(folder)
    return folder, built


def test_a_saved_folder_may_be_moved(saved, tmp_path):
    folder, built = saved
    vectors, queries = cloud(6, 2000, 9, "cosine"), cloud(7, 20, 9, "cosine")
    there = shutil.copytree(folder, tmp_path / "there")
    loaded, kept = load(there), coded(vectors, "cosine")
    assert loaded.settings == built.settings
    for one, other in zip(*(s.search(queries, 10, kept) for s in (loaded, built)), strict=True):
        np.testing.assert_array_equal(one, other)
    names = {path.name for path in there.iterdir()}
    assert "dataset.npy" not in names, "ScaNN keeps the vectors, too"
    assert not [name for name in names if name.endswith(".pkl")]


def test_a_pickle_in_the_folder_is_not_opened(saved, tmp_path):
    there = shutil.copytree(saved[0], tmp_path / "there")
    (there / "scann_docids.pkl").write_bytes(b"cos\nabort\n(tR.")  # would end the process
    assert load(there).settings == saved[1].settings


@pytest.mark.parametrize("name", ["searcher.json", "scann_assets.pbtxt", "hashed_dataset.npy"])
def test_a_missing_file_is_refused(saved, tmp_path, name):
    there = shutil.copytree(saved[0], tmp_path / "there")
    (there / name).unlink()
    with pytest.raises(ValueError):
        load(there)


def test_a_damaged_or_absolute_asset_is_refused(saved, tmp_path):
    there = shutil.copytree(saved[0], tmp_path / "there")
    data = there / "hashed_dataset.npy"
    whole = data.read_bytes()
    data.write_bytes(whole[:300])
    with pytest.raises(ValueError, match="ScaNN refuses"):
        load(there)
    data.write_bytes(whole)
    assets = there / "scann_assets.pbtxt"
    assets.write_text(assets.read_text().replace("hashed_dataset.npy", str(data)))
    with pytest.raises(ValueError, match="not one of its files"):
        load(there)


def test_a_longer_list_costs_at_most_everything():
    tree = SearcherSettings(
        metric="cosine",
        count=30_000,
        leaves=173,
        block=2,
        leaves_to_search=5,
        reorder=90,
        recall=0.99,
    )
    assert _effort(tree, 11) == (5, 90) and _effort(tree, 20) == (5, 124)
    assert _effort(tree, 100) == (69, 600)
    assert _effort(tree, 1_000_000) == (173, 30_000)


def test_recall_does_not_count_a_row_as_its_own_neighbour():
    vectors = cloud(11, 500, 16, "cosine")
    sample = Sample(vectors, "cosine")
    assert sample.recall(lambda queries, k: exact_search(queries, vectors, k, "cosine")) == 1
    assert sample.recall(lambda queries, k: exact_search(queries, vectors, 1, "cosine")) == 0
