"""One ranking of a large base, revealed in steps that never contradict each other.

A tree searched harder finds rows that were missed before. If a longer page were simply the
answer of a harder search, such a row would push others from one page to the next, and pages
would repeat or skip. So the ranking is defined in steps: the first holds the best of a small
search; each further one appends what a larger search adds. A page never depends on how far
the ranking was revealed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from visearch.index.generation import Generation
from visearch.index.recall import NEIGHBOURS
from visearch.index.scoring import Floats, Rows
from visearch.index.searcher import FIRST

_GROWTH = 4

Ranking = tuple[Rows, Floats, Floats]
"""Rows of the base, their exact scores, and their places: what to sort by, descending."""

Usable = Callable[[Rows], NDArray[np.bool_]]
"""Tells which rows count."""

Exact = Callable[[int], tuple[Rows, Floats]]
"""Gives the k best rows that count, and their scores, by looking at all of them."""


def ranked(
    base: Generation, query: Floats, want: int, usable: Usable | None, exact: Exact
) -> Ranking:
    """Return at least ``want`` rows that count, or all there are, in order.

    ``usable`` None: all do. The places are the scores, but a row that a later step found is
    placed behind the steps before.
    """
    found: Ranking | None = None
    k, most = NEIGHBOURS, len(base.coded) // 4
    while True:
        step = base.nearest(query, k) if k <= most else exact(want)
        new = step if usable is None else _only(step, usable(step[0]))
        found = (*new, new[1]) if found is None else _appended(found, new)
        if len(found[0]) >= want or k > most:  # the last step has all
            return found
        k = FIRST if k < FIRST else k * _GROWTH


def _only(step: tuple[Rows, Floats], chosen: NDArray[np.bool_]) -> tuple[Rows, Floats]:
    return step[0][chosen], step[1][chosen]


def _appended(found: Ranking, step: tuple[Rows, Floats]) -> Ranking:
    rows, scores = _only(step, ~np.isin(step[0], found[0]))
    places = scores.copy()
    last = found[2][-1] if len(found[2]) else np.float32(np.inf)
    for i, score in enumerate(scores):
        if score < last:
            break  # they descend: so do all that follow
        last = places[i] = np.nextafter(last, np.float32(-np.inf))
    return joined(found, (rows, scores, places))


def joined(one: Ranking, other: Ranking) -> Ranking:
    """Return both, one behind the other."""
    return (
        np.concatenate((one[0], other[0])),
        np.concatenate((one[1], other[1])),
        np.concatenate((one[2], other[2])),
    )
