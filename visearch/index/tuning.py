"""The cheapest setting of a tree that keeps its promise.

Two settings decide what a tree finds and what that costs: how many leaves are searched, and how
many of the candidates in them are scored anew by finer codes. Recall grows with both, so the
settings that reach an aim have a border like a staircase, which one walk along it finds (saddleback
search: Bird 2006, Improving Saddleback Search).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

_CANDIDATE = 40
"""Scoring a candidate takes as long as looking at so many points by their coarse codes; measured at
256 dimensions, as are the others."""
_TABLES = 1_800
"""So many more points' time is what the tables of finer codes take to make, for each query."""

_FEWEST_LEAVES, _FEWEST_CANDIDATES, _MOST_CANDIDATES = 1, 30, 4_000
_STEP = 1.25


class Setting(NamedTuple):
    """How a tree is searched."""

    leaves: int
    reorder: int


class Tree(NamedTuple):
    """What is tuned: ``leaves`` over ``points``, with ``fine`` times as many codes as usual."""

    leaves: int
    points: int
    fine: int

    def cost(self, setting: Setting) -> float:
        """Return what a search costs, in looks at one point by coarse codes."""
        looked_at = setting.leaves * self.points / self.leaves
        tables = _TABLES * (self.fine - 1)
        return tables + self.fine * looked_at + _CANDIDATE * setting.reorder

    def cheapest_with(self, leaves: int) -> Setting:
        """Return the cheapest setting that searches so many leaves."""
        return Setting(leaves, min(_FEWEST_CANDIDATES, self.points))


Recall = Callable[[Setting], float]


def cheapest(tree: Tree, aim: float, recall: Recall) -> Setting:
    """Return the cheapest setting whose ``recall`` is at least ``aim``, if one reaches it.

    If none of those that are usual does, all leaves are searched and ever more candidates scored
    anew, up to all. If even that misses it, the best that was seen is returned.
    """
    tried: dict[Setting, float] = {}

    def reaches(setting: Setting) -> bool:
        tried[setting] = recall(setting)
        return tried[setting] >= aim

    usual = min(_MOST_CANDIDATES, tree.points)
    found = _walk(tree, usual, reaches) or _harder(tree, usual, reaches)
    return found or min(tried, key=lambda setting: (-tried[setting], tree.cost(setting)))


def _walk(tree: Tree, usual: int, reaches: Callable[[Setting], bool]) -> Setting | None:
    leaves = _grid(min(_FEWEST_LEAVES, tree.leaves), tree.leaves)
    reorders = _grid(min(_FEWEST_CANDIDATES, usual), usual)
    best: Setting | None = None
    while leaves and reorders:
        setting = Setting(leaves[0], reorders[-1])
        if best and tree.cost(Setting(leaves[0], reorders[0])) >= tree.cost(best):
            break  # and so do all that search more leaves
        if best and tree.cost(setting) >= tree.cost(best):
            reorders.pop()
        elif reaches(setting):
            best = setting
            reorders.pop()
        else:
            leaves.pop(0)
    return best


def _harder(tree: Tree, usual: int, reaches: Callable[[Setting], bool]) -> Setting | None:
    reorder = usual
    while reorder < tree.points:
        reorder = min(2 * reorder, tree.points)
        if reaches(Setting(tree.leaves, reorder)):
            return Setting(tree.leaves, reorder)
    return None


def _grid(first: int, last: int) -> list[int]:
    """Return numbers from ``first`` to ``last``, each about a quarter more than the one before."""
    numbers = [first]
    while numbers[-1] < last:
        numbers.append(min(last, max(numbers[-1] + 1, int(numbers[-1] * _STEP))))
    return numbers
