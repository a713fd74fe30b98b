"""The order of the gallery, and who is a query at all, against plain double loops."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from visearch.evaluation import ranking
from visearch.evaluation.answers import answer
from visearch.evaluation.protocol import Retrieval, leave_one_out, query_to_gallery
from visearch.evaluation.ranking import nearest, ranked

SIMILARITIES = ("cosine", "euclidean")

labels_of = hnp.arrays(np.int32, st.integers(1, 25), elements=st.integers(-1, 4))


def cloud(seed: int, n: int, d: int = 4) -> np.ndarray:
    """Vectors of no particular length, some of them twins, so that ties occur."""
    vectors = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    vectors[n // 2 :] = vectors[: n - n // 2]
    return vectors


def plain_order(query: np.ndarray, gallery: np.ndarray, similarity: str, own: int) -> list[int]:
    def badness(place: int) -> float:
        if place == own:
            return np.inf
        a, b = query.astype(float), gallery[place].astype(float)
        if similarity == "euclidean":
            return float(np.float32(np.linalg.norm(a - b)))
        return -float(np.float32(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))

    return sorted(range(len(gallery)), key=lambda place: (badness(place), place))


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("scores_per_block", [1, 40, 1 << 22])
def test_the_order_is_that_of_a_double_loop(
    similarity, scores_per_block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "SCORES_PER_BLOCK", scores_per_block)
    gallery, queries = cloud(1, 20), cloud(2, 7)
    own = np.asarray([-1, 3, 19, -1, 0, 7, 7])
    orders = [order for _, order in ranked(queries, gallery, similarity, own)]
    expected = [plain_order(q, gallery, similarity, o) for q, o in zip(queries, own, strict=True)]
    assert np.concatenate(orders).tolist() == expected
    tops = [plain_order(q, gallery, similarity, -1)[0] for q in queries]
    assert nearest(queries, gallery, similarity).tolist() == tops


def test_unit_vectors_are_ranked_alike_by_both_similarities() -> None:
    vectors = np.random.default_rng(3).standard_normal((30, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    own = np.arange(30)
    cosine, euclidean = (next(ranked(vectors, vectors, s, own))[1] for s in SIMILARITIES)
    np.testing.assert_array_equal(cosine, euclidean)


def test_lengths_matter_to_euclidean_only() -> None:
    query = np.asarray([[1, 0]], np.float32)
    gallery = np.asarray([[1, 0.5], [9, 0]], np.float32)
    assert nearest(query, gallery, "cosine") == [1]
    assert nearest(query, gallery, "euclidean") == [0]


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_broken_vectors_are_refused(broken: float) -> None:
    vectors = np.asarray([[1, 0], [0, broken]], np.float32)
    with pytest.raises(ValueError, match="NaN or infinity"):
        nearest(vectors, vectors, "cosine")


@given(labels_of)
def test_leave_one_out_asks_all_who_have_a_fellow(labels: np.ndarray) -> None:
    task = leave_one_out(labels)
    rows = range(len(labels))
    fellows = {
        i: [j for j in rows if j != i and labels[j] == labels[i]] for i in rows if labels[i] >= 0
    }
    assert task.queries.tolist() == [i for i in fellows if fellows[i]]
    assert task.relevant.tolist() == [len(fellows[i]) for i in task.queries]
    assert task.gallery.tolist() == list(fellows)
    assert task.gallery[task.own].tolist() == task.queries.tolist()
    assert task.unanswerable == sum(not found for found in fellows.values())
    assert len(task.gallery) + task.unlabelled == len(labels)


@given(labels_of, st.data())
def test_queries_ask_the_gallery_only(labels: np.ndarray, data: st.DataObject) -> None:
    inside = data.draw(hnp.arrays(np.bool_, len(labels)))
    task = query_to_gallery(labels, inside)
    counts = [sum(labels[inside] == label) for label in labels]
    asking = [i for i, label in enumerate(labels) if label >= 0 and not inside[i]]
    assert task.queries.tolist() == [i for i in asking if counts[i]]
    assert task.relevant.tolist() == [counts[i] for i in task.queries]
    assert (task.own == -1).all()
    assert task.unanswerable == len(asking) - len(task.queries)


def test_one_catalog_picture_per_kind() -> None:
    """Two photos, two catalog pictures: the first photo is right, the second is not."""
    vectors = np.asarray([[1, 0.1], [1, 0.2], [1, 0], [0, 1]], np.float32)
    labels = np.asarray([0, 1, 0, 1], np.int32)
    task = query_to_gallery(labels, np.asarray([False, False, True, True]))
    answers = answer(vectors, task, "cosine")
    assert answers.values["recall@1"].tolist() == [1, 0]
    assert answers.values["rank"].tolist() == [1, 2]
    assert answers.found.tolist() == [[2, 3], [2, 3]]
    assert answers.expected.tolist() == [2, 3]


def scores(vectors: np.ndarray, task: Retrieval) -> dict[int, tuple[float, ...]]:
    values = answer(vectors, task, "cosine").values.values()
    return dict(zip(task.queries.tolist(), zip(*values, strict=True), strict=True))


@given(st.integers(0, 1000))
def test_the_order_of_the_pictures_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((15, 6)).astype(np.float32)
    labels = rng.integers(0, 3, 15).astype(np.int32)
    mixed = rng.permutation(15)
    here = scores(vectors, leave_one_out(labels))
    there = scores(vectors[mixed], leave_one_out(labels[mixed]))
    assert {int(mixed[row]): pytest.approx(values) for row, values in there.items()} == here


def test_a_picture_never_finds_itself() -> None:
    labels = np.zeros(3, np.int32)
    vectors = np.eye(3, dtype=np.float32)
    answers = answer(vectors, leave_one_out(labels), "cosine")
    assert answers.found.tolist() == [[1, 2], [0, 2], [0, 1]]
    assert (answers.values["recall@1"] == 1).all()
    assert (answers.values["average_precision"] == 1).all()


def test_memory_does_not_grow_with_the_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,500 queries rank 1,500 pictures: 18 MB of places, of which few are kept at a time."""
    monkeypatch.setattr(ranking, "SCORES_PER_BLOCK", 20_000)
    task = leave_one_out(np.arange(1500, dtype=np.int32) % 50)
    vectors = cloud(4, 1500)
    tracemalloc.start()
    answer(vectors, task, "cosine")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6e6
