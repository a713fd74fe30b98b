"""Batches depend on the seed and their number alone, and keep every source's share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visearch.errors import InvalidRequest
from visearch.images import decode
from visearch.training.batches import Batch, Sampler, batches
from visearch.training.data import Dataset, Source, load
from visearch.training.recipe import Recipe


def equal(a: Batch, b: Batch) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_a_batch_depends_on_the_seed_and_its_number_alone(source: Source, recipe: Recipe) -> None:
    recipe = replace(recipe, steps=6, mixtures=4)
    data = load([source]).training
    sampler = Sampler(data, {}, recipe)
    first, again = list(batches(data, sampler, recipe)), list(batches(data, sampler, recipe))
    late = list(batches(data, sampler, recipe, start=4))
    elsewhere = list(batches(data, sampler, recipe, start=3, processes=1))
    assert len(first) == 6 and first[0].pixels.shape == (28, 32, 32, 3)
    assert all(map(equal, first, again))
    assert all(map(equal, first[4:], late)) and all(map(equal, first[3:], elsewhere))
    assert len(late) == 2 and len(elsewhere) == 3
    assert not equal(first[0], first[1])
    assert not np.array_equal(first[0].pixels[0], first[0].pixels[12])  # two different views


def dataset(sizes: list[int]) -> Dataset:
    sources = np.repeat(np.arange(len(sizes)), sizes).astype(np.int32)
    n = len(sources)
    return Dataset(
        [b""] * n, np.zeros((n, 1), np.int32), ["x"], np.arange(n, dtype=np.int32), sources
    )


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(1, 30), st.integers(0, 9))
def test_an_epoch_shows_every_picture_once(sizes: list[int], batch: int, seed: int) -> None:
    recipe = Recipe(architecture="resnet18", batch=batch, seed=seed)
    try:
        sampler = Sampler(dataset(sizes), {}, recipe)
    except InvalidRequest:
        exact = [batch * size / sum(sizes) for size in sizes]
        assert min(exact) < 1, "a source that has a place was refused"
        return
    assert len(set(np.searchsorted(np.cumsum(sizes), sampler.rows(0), "right"))) == len(sizes)
    rows = np.concatenate([sampler.rows(step) for step in range(8)])
    assert all(len(sampler.rows(step)) == batch for step in range(8))
    start = 0
    for size in sizes:
        mine = rows[(rows >= start) & (rows < start + size)]
        for at in range(0, len(mine) - size + 1, size):
            assert sorted(mine[at : at + size]) == list(range(start, start + size))
        start += size


@given(st.integers(0, 9), st.integers(4, 8), st.integers(8, 20))
def test_hard_windows_deal_things_of_one_kind_together(seed: int, window: int, batch: int) -> None:
    data = dataset([400])
    kinds = np.random.default_rng(seed).integers(0, 3, (400, 1)).astype(np.int32)
    data = replace(data, labels=kinds, names=["a", "b", "c"])
    recipe = Recipe(architecture="resnet18", batch=batch, seed=seed, hard_window=window)
    sampler = Sampler(data, {}, recipe)
    each = 400 // batch
    rows = [sampler.rows(step) for step in range(2 * each)]
    pure = sum(len(set(kinds[chosen, 0])) == 1 for chosen in rows)
    # A window is sorted by its three kinds: two borders, so at most two batches of mixed kinds.
    assert pure >= 2 * (each - 2 * -(-each // window))
    for epoch in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
        shown = np.concatenate(epoch)
        assert len(set(shown)) == len(shown)  # none twice in an epoch
    assert not np.array_equal(rows[0], rows[len(rows) // 2])


def test_the_clean_view_is_the_catalog_picture(source: Source, recipe: Recipe) -> None:
    data = load([source]).training
    batch = next(batches(data, Sampler(data, {}, recipe), replace(recipe, clean_view=True)))
    for pixels, row in zip(batch.pixels, batch.rows, strict=False):
        shown = recipe.preprocess.pixels(decode(data.pictures[row]))
        assert np.array_equal(pixels, shown)


def test_a_source_keeps_its_share() -> None:
    recipe = Recipe(architecture="resnet18", batch=64)
    sampler = Sampler(dataset([900, 100, 50]), {1: 0.25}, recipe)
    counts = np.bincount(np.digitize(sampler.rows(3), [900, 1000]))
    assert list(counts) == [45, 16, 3]


@pytest.mark.parametrize(
    ("sizes", "shares", "number"), [([100_000, 500], {}, 2), ([50], {0: 0.5, 1: 0.5}, 2)]
)
def test_a_source_that_would_never_be_seen_is_refused(
    sizes: list[int], shares: dict[int, float], number: int
) -> None:
    with pytest.raises(InvalidRequest, match=f"Source {number} of the recipe has no picture"):
        Sampler(dataset(sizes), shares, Recipe(architecture="resnet18", batch=64))


def test_no_picture_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no picture to train on"):
        Sampler(dataset([]), {}, Recipe(architecture="resnet18"))
