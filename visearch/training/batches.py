"""Batches: two views of each picture, drawn ahead; batch t depends on the seed and t alone."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context, parent_process
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from visearch.errors import InvalidRequest
from visearch.images import decode
from visearch.training.augment import mixture, strong_view, weak_view
from visearch.training.data import Dataset
from visearch.training.recipe import Recipe

_AHEAD = 4


class Batch(NamedTuple):
    """``pixels`` uint8 [2·batch + mixtures, S, S, 3]: weak views, strong views, mixtures.

    Row i and row i + batch are views of one picture, whose ``labels`` int32
    [batch, levels], ``sources`` int32 [batch] and number in the data set ``rows`` int32
    [batch] stand once.
    """

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int32]
    sources: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int32]


class Sampler:
    """Which pictures are in batch t: every source gives its share, in random order."""

    def __init__(self, data: Dataset, shares: dict[int, float], recipe: Recipe) -> None:
        """Take the sources' shares of a batch; those without one share the rest by size.

        Raises:
            InvalidRequest: there is no picture.
        """
        if not len(data):
            raise InvalidRequest(
                "there is no picture to train on: all are held out or left out, or the table "
                "names none that is there"
            )
        self._seed, self._batch = recipe.seed, recipe.batch
        self._members = {
            int(source): np.flatnonzero(data.sources == source)
            for source in np.unique(data.sources)
        }
        self._counts = _quotas({s: len(m) for s, m in self._members.items()}, shares, recipe.batch)

    def rows(self, step: int) -> npt.NDArray[np.int32]:
        """Return the numbers of the pictures in batch ``step``, int32 [batch]."""
        parts = [self._take(source, step * count, count) for source, count in self._counts.items()]
        return np.concatenate(parts).astype(np.int32)

    def _take(self, source: int, start: int, count: int) -> npt.NDArray[np.int64]:
        """Return ``count`` pictures of ``source`` from place ``start`` of its endless order."""
        members = self._members[source]
        epochs, places = np.divmod(np.arange(start, start + count), len(members))
        out = np.empty(count, np.int64)
        for epoch in np.unique(epochs):
            order = np.random.default_rng([self._seed, 0, source, int(epoch)]).permutation(members)
            out[epochs == epoch] = order[places[epochs == epoch]]
        return out


def _quotas(sizes: dict[int, int], shares: dict[int, float], batch: int) -> dict[int, int]:
    fixed = {source: shares[source] for source in sizes if source in shares}
    free = {source: size for source, size in sizes.items() if source not in shares}
    rest = (1.0 - sum(fixed.values())) if free else 0.0
    exact = fixed | {source: rest * size / sum(free.values()) for source, size in free.items()}
    total = sum(exact.values())
    bounds = np.round(np.cumsum([batch * part / total for part in exact.values()])).astype(int)
    return {s: int(n) for s, n in zip(exact, np.diff(bounds, prepend=0), strict=True)}


def draw(data: Dataset, sampler: Sampler, recipe: Recipe, step: int) -> Batch:
    """Draw batch ``step``."""
    rows = sampler.rows(step)
    rng = np.random.default_rng([recipe.seed, 1, step])
    preprocess = recipe.preprocess
    images = [decode(data.pictures[i], at_least=preprocess.at_least) for i in rows]
    weak = [weak_view(image, rng, preprocess) for image in images]
    strong = np.stack([strong_view(image, rng, preprocess, recipe.strength) for image in images])
    mixed = [mixture(strong, rng) for _ in range(recipe.mixtures)]
    pixels = np.stack([*weak, *strong, *mixed])
    return Batch(pixels, data.labels[rows], data.sources[rows], rows)


def batches(
    data: Dataset, sampler: Sampler, recipe: Recipe, start: int = 0, processes: int = 0
) -> Iterator[Batch]:
    """Yield the batches from ``start`` to the end, drawn ahead by ``processes`` processes.

    0: by a thread of this process, which is enough where the network is the slow part.
    """
    job = partial(draw, data, sampler, recipe)
    if processes == 0:
        with ThreadPoolExecutor(1, "augment") as pool:
            yield from _ahead(pool, job, start, recipe.steps, _AHEAD)
        return
    # JAX runs in this process, so it must not be forked.
    spawn = get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, _keep, (job,)) as pool:
        yield from _ahead(pool, _draw_kept, start, recipe.steps, _AHEAD + processes)


def _ahead(
    pool: Executor, job: Callable[[int], Batch], start: int, end: int, ahead: int
) -> Iterator[Batch]:
    waiting = deque(pool.submit(job, step) for step in range(start, min(start + ahead, end)))
    try:
        for step in range(start + ahead, end + ahead):
            if not waiting:
                return
            batch = waiting.popleft().result()
            if step < end:
                waiting.append(pool.submit(job, step))
            yield batch
    finally:
        for future in waiting:
            future.cancel()


_kept: Callable[[int], Batch]


def _keep(job: Callable[[int], Batch]) -> None:
    """Give a child process its pictures once, not with every batch; it ends with its parent."""
    global _kept
    _kept = job
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _draw_kept(step: int) -> Batch:
    return _kept(step)
