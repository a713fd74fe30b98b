"""One ranking of a large base, found in steps that never contradict each other.

A harder search of a tree finds rows that an easier one missed. If a longer list were simply the
answer of a harder search, such a row would push others from one page to the next, and pages
would repeat or skip hits. So the ranking is defined in steps: the first is the result of a small
search, and each further step appends what a larger search adds. A page never depends on how far
the ranking has been computed.
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
"""Rows of the base, their exact scores, and their places: the values to sort by, descending."""

Usable = Callable[[Rows], NDArray[np.bool_]]
"""Tells which rows may be returned."""

Exact = Callable[[int], tuple[Rows, Floats]]
"""Returns the k best usable rows, and their scores, by scoring all of them."""


def ranked(
    base: Generation, query: Floats, want: int, usable: Usable | None, exact: Exact
) -> Ranking:
    """Return at least ``want`` usable rows in order, or all if there are fewer.

    If ``usable`` is None, all rows are. A row's place is its score, except that a row found in a
    later step comes after the rows of all earlier steps.
    """
    found: Ranking | None = None
    k, most = NEIGHBOURS, len(base.coded) // 4
    while True:
        step = base.nearest(query, k) if k <= most else exact(want)
        new = step if usable is None else _only(step, usable(step[0]))
        found = (*new, new[1]) if found is None else _appended(found, new)
        if len(found[0]) >= want or k > most:  # the last step has found all
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
            break  # scores descend, so the rest are below ``last`` too
        last = places[i] = np.nextafter(last, np.float32(-np.inf))
    return joined(found, (rows, scores, places))


def joined(one: Ranking, other: Ranking) -> Ranking:
    """Return both rankings concatenated."""
    return (
        np.concatenate((one[0], other[0])),
        np.concatenate((one[1], other[1])),
        np.concatenate((one[2], other[2])),
    )
