"""Find the cheapest setting of a tree that keeps the promised recall.

Two settings decide what a tree finds and what that costs: how many leaves are searched, and how
many of the candidates in them are rescored from 16-bit codes. Recall grows with both, so the
border of the settings that reach an aim is a staircase, and one walk along it finds the cheapest
(saddleback search: Bird 2006, Improving Saddleback Search).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

_CANDIDATE = 40
"""Cost of scoring a candidate, in points looked at by coarse codes; measured at 256 dimensions, as
is ``_TABLES``."""
_TABLES = 1_800
"""Cost of the tables of finer codes for each query, in points looked at by coarse codes."""

_FEWEST_LEAVES, _FEWEST_CANDIDATES, _MOST_CANDIDATES = 1, 30, 4_000
_STEP = 1.25


class Setting(NamedTuple):
    """How a tree is searched: leaves searched, and candidates scored."""

    leaves: int
    reorder: int


class Tree(NamedTuple):
    """The tree to tune: ``leaves`` over ``points``, with ``fine`` times as many codes as usual."""

    leaves: int
    points: int
    fine: int

    def cost(self, setting: Setting) -> float:
        """Return the cost of a search, in points looked at by coarse codes."""
        looked_at = setting.leaves * self.points / self.leaves
        tables = _TABLES * (self.fine - 1)
        return tables + self.fine * looked_at + _CANDIDATE * setting.reorder

    def cheapest_with(self, leaves: int) -> Setting:
        """Return the cheapest setting that searches this many leaves."""
        return Setting(leaves, min(_FEWEST_CANDIDATES, self.points))


Recall = Callable[[Setting], float]


def cheapest(tree: Tree, aim: float, recall: Recall) -> Setting:
    """Return the cheapest setting whose ``recall`` is at least ``aim``.

    If none of the usual settings reaches it, all leaves are searched and more and more candidates
    scored, up to all of them. If even that misses the aim, the best setting tried is returned.
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
            break  # so does every setting that searches more leaves
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
    """Return numbers from ``first`` to ``last``, each about a quarter larger than the previous."""
    numbers = [first]
    while numbers[-1] < last:
        numbers.append(min(last, max(numbers[-1] + 1, int(numbers[-1] * _STEP))))
    return numbers
