"""Batches: two views of each picture, drawn ahead. Batch t depends only on the seed and t."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from itertools import islice
from multiprocessing import get_context, parent_process
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from visearch.errors import InvalidRequest
from visearch.images import decode
from visearch.training.augment import mixture, strong_view, weak_view
from visearch.training.data import Dataset
from visearch.training.recipe import Recipe

T = TypeVar("T")
_AHEAD = 4


class Batch(NamedTuple):
    """``pixels`` uint8 [2·batch + mixtures, S, S, 3]: weak views, strong views, mixtures.

    Rows i and i + batch are views of one picture. ``taught`` float32 [2·batch + mixtures, C]
    is what the teachers say of them (C = 1 and zeros without a teacher). ``labels`` int32
    [batch, levels], ``sources`` int32 [batch] and ``rows`` int32 [batch], its number in the
    data set, have one entry for each picture.
    """

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int32]
    sources: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int32]
    taught: npt.NDArray[np.float32]


class Teaches(Protocol):
    """Whoever says what the views of a batch should be."""

    def teach(self, batch: Batch) -> Batch:
        """Return the batch with ``taught``."""


class Sampler:
    """Chooses the pictures of batch t: each source gives its share, in random order."""

    def __init__(self, data: Dataset, shares: dict[int, float], recipe: Recipe) -> None:
        """Assign each source its share of a batch; those without one divide the rest by size.

        Raises:
            InvalidRequest: there are no pictures, or a source would have none in a batch.
        """
        if not len(data):
            raise InvalidRequest(
                "There is no picture to train on: all are held out or left out, or the table "
                "names no existing file. Hold out fewer, or correct the table."
            )
        self._recipe, self._labels = recipe, data.labels
        self._members = {
            int(source): np.flatnonzero(data.sources == source)
            for source in np.unique(data.sources)
        }
        self._counts = _quotas({s: len(m) for s, m in self._members.items()}, shares, recipe.batch)
        if missing := sorted({*shares, *self._members} - {s for s, n in self._counts.items() if n}):
            raise InvalidRequest(
                f"Source {missing[0] + 1} of the recipe has no picture in a batch of "
                f"{recipe.batch}: it is too small, or all of its pictures are held out. Give it a "
                "share, raise batch or remove the source."
            )

    def rows(self, step: int) -> npt.NDArray[np.int32]:
        """Return the rows, in the data set, of the pictures in batch ``step``, int32 [batch]."""
        parts = [self._take(source, step * count, count) for source, count in self._counts.items()]
        return np.concatenate(parts).astype(np.int32)

    def _take(self, source: int, start: int, count: int) -> npt.NDArray[np.int64]:
        """Return ``count`` pictures from position ``start`` in the endless order of ``source``."""
        length = len(self._members[source])
        if self._hard(source):
            length -= length % count
        epochs, places = np.divmod(np.arange(start, start + count), length)
        out = np.empty(count, np.int64)
        for epoch in np.unique(epochs):
            out[epochs == epoch] = self._order(source, int(epoch))[places[epochs == epoch]]
        return out

    def _hard(self, source: int) -> bool:
        """Tell whether batches group pictures of ``source`` by label; each has its full share."""
        return self._recipe.hard_window > 1 and len(self._members[source]) >= self._counts[source]

    def _order(self, source: int, epoch: int) -> npt.NDArray[np.int64]:
        rng = np.random.default_rng([self._recipe.seed, 0, source, epoch])
        order = rng.permutation(self._members[source])
        if not self._hard(source):
            return order
        count = self._counts[source]
        order = order[: len(order) - len(order) % count]
        window = self._recipe.hard_window * count
        parts = [order[at : at + window] for at in range(0, len(order), window)]
        levels = self._labels[:, : self._recipe.hard_levels].T[::-1]  # the last key sorts first
        alike = np.concatenate([part[np.lexsort(levels[:, part])] for part in parts])
        dealt: npt.NDArray[np.int64] = rng.permutation(alike.reshape(-1, count)).reshape(-1)
        return dealt


def _quotas(sizes: dict[int, int], shares: dict[int, float], batch: int) -> dict[int, int]:
    fixed = {source: shares[source] for source in sizes if source in shares}
    free = {source: size for source, size in sizes.items() if source not in shares}
    rest = (1.0 - sum(fixed.values())) if free else 0.0
    exact = fixed | {source: rest * size / sum(free.values()) for source, size in free.items()}
    total = sum(exact.values())
    bounds = np.round(np.cumsum([batch * part / total for part in exact.values()])).astype(int)
    return {s: int(n) for s, n in zip(exact, np.diff(bounds, prepend=0), strict=True)}


class Chosen(NamedTuple):
    """The pictures of a batch before its views are drawn; sent to the process that draws."""

    step: int
    pictures: list[bytes]
    labels: npt.NDArray[np.int32]
    sources: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int32]


def choose(data: Dataset, sampler: Sampler, step: int) -> Chosen:
    """Choose the pictures of batch ``step``."""
    rows = sampler.rows(step)
    pictures = [data.pictures[i] for i in rows]
    return Chosen(step, pictures, data.labels[rows], data.sources[rows], rows)


def draw(recipe: Recipe, chosen: Chosen) -> Batch:
    """Draw the views of a batch."""
    rng = np.random.default_rng([recipe.seed, 1, chosen.step])
    preprocess = recipe.view
    images = [decode(picture, at_least=preprocess.at_least) for picture in chosen.pictures]
    if recipe.clean_view:
        weak = [preprocess.pixels(image) for image in images]
    else:
        weak = [weak_view(image, rng, preprocess) for image in images]
    strong = np.stack([strong_view(image, rng, preprocess, recipe.strength) for image in images])
    mixed = [mixture(strong, rng) for _ in range(recipe.mixtures)]
    pixels = np.stack([*weak, *strong, *mixed])
    nothing = np.zeros((len(pixels), 1), np.float32)
    return Batch(pixels, chosen.labels, chosen.sources, chosen.rows, nothing)


def batches(
    data: Dataset, sampler: Sampler, recipe: Recipe, start: int = 0, processes: int = 0
) -> Iterator[Batch]:
    """Yield the batches from ``start`` to the end, drawn ahead by ``processes`` processes.

    With 0 processes, a thread draws them: fast enough where the network is slower.
    """
    chosen = (choose(data, sampler, step) for step in range(start, recipe.steps))
    job = partial(draw, recipe)
    if processes == 0:
        with ThreadPoolExecutor(1, "augment") as pool:
            yield from _ahead(pool, job, chosen, _AHEAD)
        return
    # JAX runs in this process, so the process must not be forked.
    spawn = get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, _follow_parent) as pool:
        yield from _ahead(pool, job, chosen, _AHEAD + processes)


def taught(drawn: Iterator[Batch], teachers: Teaches) -> Iterator[Batch]:
    """Yield batches with what the teachers say of them, one ahead, in a thread of its own."""
    with ThreadPoolExecutor(1, "teach") as pool:
        yield from _ahead(pool, teachers.teach, drawn, 2)


def _ahead(
    pool: Executor, job: Callable[[T], Batch], given: Iterator[T], ahead: int
) -> Iterator[Batch]:
    waiting = deque(pool.submit(job, one) for one in islice(given, ahead))
    try:
        while waiting:
            batch = waiting.popleft().result()
            waiting.extend(pool.submit(job, one) for one in islice(given, 1))
            yield batch
    finally:
        for future in waiting:
            future.cancel()


def _follow_parent() -> None:
    """End this child process when its parent ends, however that happens."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
