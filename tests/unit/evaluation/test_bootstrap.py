"""Intervals: as wide as theory says, wider for groups, narrower for paired differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visearch.evaluation.bootstrap import Bootstrap, interval
from visearch.evaluation.summary import summarise


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(300):
        values = (rng.random((100, 1)) < 0.6).astype(float)
        low, high = interval(Bootstrap(np.arange(100), 400, seed).means(values))
        covered += int(low[0] <= 0.6 <= high[0])
    assert 0.91 <= covered / 300 <= 0.98  # 95 %, give or take three standard errors


def test_the_spread_of_means_is_the_standard_error() -> None:
    values = np.random.default_rng(1).normal(size=(400, 1))
    spread = Bootstrap(np.arange(400), 4000).means(values).std()
    assert spread == pytest.approx(values.std() / 20, rel=0.05)


def test_groups_of_copies_count_once() -> None:
    """Ten copies of each of 40 queries tell no more than the 40 do."""
    values = np.random.default_rng(2).normal(size=(40, 1))
    groups = np.arange(40)
    alone = Bootstrap(groups).means(values)
    copied = Bootstrap(np.repeat(groups, 10)).means(np.repeat(values, 10, axis=0))
    np.testing.assert_allclose(copied, alone)


@given(
    values=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    groups=st.lists(st.integers(0, 4), min_size=12, max_size=12),
)
def test_resamples_are_resamples(values: list[int], groups: list[int]) -> None:
    """Means and medians are those of the drawn queries, written out one by one."""
    table, units = np.asarray(values, float), np.asarray(groups[: len(values)])
    bootstrap = Bootstrap(units, resamples=5)
    means, medians = bootstrap.means(table[:, None])[:, 0], bootstrap.medians(table)
    drawn = np.concatenate(list(bootstrap._draws()))
    for counts, mean, median in zip(drawn, means, medians, strict=True):
        assert counts.sum() == bootstrap.units
        times = counts[np.unique(units, return_inverse=True)[1]]
        written_out = np.repeat(table, times)
        assert mean == pytest.approx(written_out.mean())
        assert median == np.median(written_out)


def test_a_constant_gain_is_certain_however_hard_the_queries() -> None:
    hard = np.random.default_rng(3).random(50)
    bootstrap = Bootstrap(np.arange(50))
    worse, better = (summarise({"ap": hard + gain}, bootstrap) for gain in (0.0, 0.1))
    gain = better.minus(worse)["ap"]
    assert (gain.value, gain.low, gain.high) == pytest.approx((0.1, 0.1, 0.1))
    assert (alone := worse.estimates()["ap"]).low is not None and alone.high is not None
    assert alone.high - alone.low > 0.1


def test_the_seed_decides() -> None:
    values = np.arange(30.0)[:, None]
    first, again, other = (Bootstrap(np.arange(30), 50, s).means(values) for s in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_one_group_gives_no_interval() -> None:
    values = {"recall@1": np.asarray([1.0, 0.0]), "rank": np.asarray([1.0, 3.0])}
    estimates = summarise(values, Bootstrap(np.zeros(2, int))).estimates()
    assert estimates["recall@1"].value == 0.5 and estimates["median_rank"].value == 2
    assert estimates["recall@1"].low is estimates["recall@1"].high is None
