"""Shards: which a worker holds, and how the answers of several join."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visearch.errors import SettingsError
from visearch.records import Neighbour
from visearch.searching.joining import joined, shown
from visearch.searching.remote_shard import pack, unpack
from visearch.searching.shard import ShardAnswer
from visearch.settings import Settings

SCORES = st.floats(-1, 1, width=32)


@pytest.mark.parametrize(
    ("text", "held"),
    [("all", None), ("none", frozenset()), ("3", {3}), ("0,2, 63", {0, 2, 63})],
)
def test_what_a_worker_holds(text: str, held: set[int] | None) -> None:
    assert Settings(shards=text).held_shards == held


@pytest.mark.parametrize("text", ["64", "-1", "1;2", "one", "1,", ","])
def test_no_list_of_shards(text: str) -> None:
    with pytest.raises(SettingsError, match="VISEARCH_SHARDS"):
        Settings(shards=text).held_shards  # noqa: B018


def part(shard: int, scores: list[float]) -> ShardAnswer:
    neighbours = [Neighbour(shard + 5 * i, score) for i, score in enumerate(scores)]
    at = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    return ShardAnswer(
        shard=shard, neighbours=neighbours, size=len(scores), revision=7, fresh_to=at
    )


@given(st.lists(st.lists(SCORES, max_size=12), min_size=1, max_size=5))
def test_a_shorter_page_is_the_beginning_of_a_longer_one(lists: list[list[float]]) -> None:
    """Also where a shard ranks a late find behind worse ones: each list is in any order."""
    parts = [part(shard, scores) for shard, scores in enumerate(lists)]
    whole = joined(parts, 100)
    assert sorted(whole) == sorted(each for one in parts for each in one.neighbours)
    for k in range(len(whole)):
        assert joined(parts, k) == whole[:k]
        # A shard is asked for k: what it would have said after that changes nothing.
        cut = [part(one.shard, [n.score for n in one.neighbours[:k]]) for one in parts]
        assert joined(cut, k) == whole[:k]
    for one in parts:
        assert [each for each in whole if each in one.neighbours] == one.neighbours


@given(st.lists(st.lists(SCORES, max_size=12), min_size=2, max_size=5))
def test_sorted_answers_join_sorted(lists: list[list[float]]) -> None:
    parts = [part(i, sorted(scores, reverse=True)) for i, scores in enumerate(lists)]
    found = [(-each.score, each.image) for each in joined(parts, 100)]
    assert found == sorted(found)


def test_what_travels_arrives() -> None:
    sent = part(3, [0.5, float(np.float32(0.1)), -1.0])
    assert ShardAnswer.from_json(sent.to_json().encode()) == sent
    vector = np.random.default_rng(np.random.SeedSequence(1)).random(7, np.float32)
    np.testing.assert_array_equal(unpack(pack(vector)), vector)


@given(st.floats(-1, 1), st.floats(0.2, 3))
def test_weighed_distances_are_shown_as_those_of_unit_vectors(cosine: float, square: float) -> None:
    product = cosine * square**0.5
    distance = max(0.0, square + 1 - 2 * product) ** 0.5
    expected = max(-2.0, -(max(0.0, 2 - 2 * product) ** 0.5))
    assert shown(-distance, "euclidean", square) == pytest.approx(expected, abs=0.011)


def test_a_copy_has_the_highest_score_however_it_is_coded() -> None:
    for metric, highest in (("cosine", 1.0), ("euclidean", 0.0)):
        for square in (1.0, 2.0):
            off = -5e-5 if metric == "euclidean" else 0.999995
            score = off if square == 1.0 or metric == "cosine" else -((square - 1) ** 0.5) - 1e-5
            assert shown(score, metric, square) == highest
