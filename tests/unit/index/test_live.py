"""LiveIndex: one change at a time, filters, pages, over-fetching, refusals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from clouds import FINGERPRINT, cloud, live_keys, oracle, scores_of, scores_of_vector

from visearch.index import LiveIndex, open_generation, write
from visearch.index.scoring import METRICS

NONE = np.empty(0, np.int64)
D = 6


def ints(*values):
    return np.array(values, np.int64)


def added(index, keys, vectors, revision=None):
    return index.apply(keys, vectors, NONE, index.revision if revision is None else revision)


def removed(index, *keys):
    return index.apply(
        NONE, np.empty((0, index.dimension), np.float32), ints(*keys), index.revision
    )


def images(found):
    return [neighbour.image for neighbour in found]


def based(folder, vectors, keys, metric, limit=20_000):
    names = {"id": "g", "catalog": 1, "revision": 5, "fingerprint": FINGERPRINT}
    write(folder, vectors, keys, metric=metric, brute_force_limit=limit, **names)
    return LiveIndex.on(open_generation(folder, fingerprint=FINGERPRINT))


@pytest.fixture(params=METRICS)
def metric(request):
    return request.param


def test_empty(metric):
    index = LiveIndex.empty(D, metric)
    assert (index.size, index.delta_size, index.tombstones, index.revision) == (0, 0, 0, 0)
    query = cloud(1, 1, D, metric)[0]
    assert index.search(query, 5) == [] == index.search(query, 5, allowed=ints(1))
    assert live_keys(index) == scores_of(index, 1) == []


def test_base_and_delta_answer_as_one_exact_index(tmp_path, metric):
    vectors, keys = cloud(2, 3000, D, metric), np.arange(3000, dtype=np.int64)
    index = based(tmp_path / "g", vectors[1000:], keys[1000:], metric)
    index = added(index, keys[:1000][::-1].copy(), vectors[:1000][::-1], 6)
    index = removed(index, *range(0, 3000, 7))
    live = np.flatnonzero(keys % 7 != 0)
    assert (index.size, index.revision) == (len(live), 6)
    assert index.tombstones == 3000 - len(live)
    assert live_keys(index) == keys[live].tolist()
    queries = cloud(3, 10, D, metric)
    rows, scores = oracle(queries, vectors[live], 60, metric)
    for query, row, score in zip(queries, rows, scores, strict=True):
        found = index.search(query, 60)
        assert images(found) == keys[live][row].tolist()
        assert [n.score for n in found] == score.tolist()
        assert index.search(query, 20) == found[:20]
        some = keys[live][row[::2]]
        wanted = np.concatenate((some, some[:3], ints(0, 7, 10**6)))
        assert index.search(query, 99, allowed=wanted) == found[::2]


def test_many_twins_come_in_order_of_key(tmp_path, metric):
    vectors = np.tile(cloud(4, 1, D, metric), (1200, 1))
    keys = np.random.default_rng(np.random.SeedSequence(4)).permutation(1200).astype(np.int64)
    index = based(tmp_path / "g", vectors[:900], np.sort(keys[:900]), metric)
    index = removed(added(index, keys[900:], vectors[900:]), *range(5, 500))
    assert images(index.search(vectors[0], 7)) == [0, 1, 2, 3, 4, 500, 501]
    assert images(index.search(vectors[0], 9))[6:] == [501, 502, 503]


@pytest.mark.parametrize("limit", [20_000, 500])
def test_tombstones_that_swallow_every_near_result(tmp_path, metric, limit):
    vectors, keys = cloud(5, 2000, D, metric), np.arange(2000, dtype=np.int64)
    index = based(tmp_path / "g", vectors, keys, metric, limit)
    assert (index.base.searcher is None) == (limit > 2000)
    near = oracle(vectors[:1], vectors, 1990, metric)[0][0]
    index = removed(index, *near)
    assert index.size == 10
    left = index.search(vectors[0], 50)
    assert sorted(images(left)) == sorted(set(range(2000)) - set(near))


def test_a_tree_gives_as_many_as_asked(tmp_path, metric):
    index = based(tmp_path / "g", cloud(6, 3000, D, metric), np.arange(3000), metric, 500)
    query = cloud(7, 1, D, metric)[0]
    for k in (1, 10, 100, 700, 2999, 3000, 5000):
        found = images(index.search(query, k))
        assert len(found) == len(set(found)) == min(k, 3000)


def test_pages_of_a_tree_never_repeat_or_skip(tmp_path, metric):
    """At any page size: a page never depends on how far the ranking was computed."""
    index = based(tmp_path / "g", cloud(6, 3000, D, metric), np.arange(3000), metric, 500)
    index = removed(added(index, np.arange(3000, 3400), cloud(7, 400, D, metric)), *range(0, 900))
    for seed, allowed in ((8, None), (9, np.arange(0, 3400, 2)), (10, np.arange(1000))):
        query = cloud(seed, 1, D, metric)[0]
        whole = index.search(query, 3400, allowed=allowed)
        for size in (7, 13, 100, 1000):
            pages = [
                index.search(query, start + size, allowed=allowed)[start:]
                for start in range(0, len(whole), size)
            ]
            assert list(itertools.chain(*pages)) == whole


@pytest.mark.parametrize("share", [0.5, 0.02])
def test_many_allowed_are_found_among_a_tree(tmp_path, metric, share, monkeypatch):
    monkeypatch.setattr("visearch.index.live._FEW", 10)
    vectors = cloud(6, 3000, D, metric)
    index = based(tmp_path / "g", vectors, np.arange(3000), metric, 500)
    random = np.random.default_rng(np.random.SeedSequence(3))
    allowed = np.flatnonzero(random.random(3000) < share)
    queries = cloud(11, 50, D, metric)
    rows, _ = oracle(queries, vectors[allowed], 10, metric)
    found = [images(index.search(query, 10, allowed=allowed)) for query in queries]
    shares = [np.isin(allowed[row], one).mean() for row, one in zip(rows, found, strict=True)]
    assert np.mean(shares) >= 0.98


def test_adding_again_and_removing_the_unknown_change_nothing(tmp_path, metric):
    vectors = cloud(8, 6, D, metric)
    index = based(tmp_path / "g", vectors[:2], ints(1, 2), metric)
    index = added(index, ints(3, 3), vectors[2:4])
    again = removed(added(index, ints(1, 3), vectors[4:6]), 99)
    assert live_keys(again) == [1, 2, 3]
    assert (again.delta_size, again.tombstones) == (1, 0)
    assert scores_of(again, 1) == scores_of_vector(vectors[0], metric)
    assert scores_of(again, 3) == scores_of_vector(vectors[2], metric)
    assert scores_of(again, 99) == []


def test_removed_keys_may_return_and_removal_wins_within_a_change(tmp_path, metric):
    vectors = cloud(9, 4, D, metric)
    index = based(tmp_path / "g", vectors[:2], ints(1, 2), metric)
    index = removed(added(index, ints(3), vectors[2:3]), 1, 3)
    assert live_keys(index) == [2] and scores_of(index, 3) == []
    back = added(index, ints(1, 3), vectors[2:4])
    assert scores_of(back, 1) == scores_of_vector(vectors[2], metric)
    assert scores_of(back, 3) == scores_of_vector(vectors[3], metric)
    assert (back.size, back.delta_size, back.tombstones) == (3, 2, 2)
    assert images(back.search(vectors[2], 1, allowed=ints(1))) == [1]
    both = back.apply(ints(8), vectors[:1], ints(8, 1), 9)
    assert live_keys(both) == [2, 3] and scores_of(both, 8) == []


def test_old_snapshots_stay_as_they_were_and_may_fork(metric):
    vectors = cloud(10, 300, D, metric)
    history, index = [], LiveIndex.empty(D, metric)
    for i in range(0, 300, 3):
        index = added(index, np.arange(i, i + 3), vectors[i : i + 3], i)
        history.append(index)
    for i, old in enumerate(history):
        assert live_keys(old) == list(range(3 * i + 3)) and old.revision == 3 * i
    fork = added(history[4], ints(1000), vectors[:1])
    assert scores_of(history[5], 1000) == scores_of(fork, 15) == []
    assert scores_of(history[5], 15) == scores_of_vector(vectors[15], metric)
    assert scores_of(fork, 1000) == scores_of_vector(vectors[0], metric)


def test_appending_shares_the_buffer(metric):
    index = LiveIndex.empty(D, metric)
    vectors = cloud(11, 1000, D, metric)
    buffers = set()
    keep = []
    for i in range(1000):
        index = added(index, ints(i), vectors[i : i + 1])
        keep.append(index.delta.buffer)
        buffers.add(id(index.delta.buffer))
    assert len(buffers) <= 6


UNIT = cloud(12, 3, D, "cosine")


@pytest.mark.parametrize(
    "query",
    [
        UNIT[0] * np.float32(np.nan),
        UNIT[0] * np.float32(np.inf),
        UNIT[0].astype(np.float64),
        UNIT[0, :4],
        UNIT[:1],
    ],
)
def test_bad_queries_are_refused(query):
    index = added(LiveIndex.empty(D, "cosine"), ints(1, 2, 3), UNIT)
    with pytest.raises(ValueError):
        index.search(query, 1)
    with pytest.raises(ValueError):
        index.search(query, 1, allowed=ints(1))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_query_need_not_be_a_unit_vector(metric):
    index = added(LiveIndex.empty(D, metric), ints(1, 2, 3), UNIT)
    query = UNIT[0] * np.float32(1.5)
    found = {each.image: each.score for each in index.search(query, 3)}
    dots = UNIT @ query
    far = -np.sqrt(query @ query + 1 - 2 * dots)
    expected = dots if metric == "cosine" else far
    assert list(found.values()) == pytest.approx(sorted(expected, reverse=True), abs=1e-4)
    assert found == pytest.approx(dict(zip((1, 2, 3), expected, strict=True)), abs=1e-4)


def test_other_mistakes_are_refused():
    index = added(LiveIndex.empty(D, "cosine"), ints(1, 2, 3), UNIT, revision=4)
    for wrong in ({"k": 0}, {"k": 1, "allowed": np.array([1.0])}):
        with pytest.raises(ValueError):
            index.search(UNIT[0], **wrong)
    changes = [
        (ints(9), UNIT[:1], NONE, 3),
        (ints(9, 10), UNIT[:1], NONE, 5),
        (ints(9), UNIT[:1, :3], NONE, 5),
        (ints(9), UNIT[:1] * np.float32(np.nan), NONE, 5),
        (ints(9), UNIT[:1] * np.float32(2), NONE, 5),
        (ints(9).astype(np.int32), UNIT[:1], NONE, 5),
        (NONE, UNIT[:0], np.array(["1"]), 5),
    ]
    for change in changes:
        with pytest.raises(ValueError):
            index.apply(*change)
    with pytest.raises(ValueError):
        LiveIndex.empty(D, "dot")
    assert index.size == 3
