"""The shards' answers joined into one ranking, which is revealed as far as it is needed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from visearch.errors import DependencyUnavailable
from visearch.index.coded import ERROR
from visearch.records import Metric, Neighbour
from visearch.searches import HIGHEST, LOWEST
from visearch.searching.shard import Question, Shard, ShardAnswer

_ROUNDING = 1e-5
"""The square of a unit vector's length may be so far from 1."""

_NEAR = 0.01
"""Codes may put a copy so far from a query that weighs the parts: it is a difference's root."""


class Joined:
    """The neighbours of one question, best first, over all shards that answer."""

    def __init__(self, shards: dict[int, Shard], question: Question) -> None:
        self._shards, self._question = shards, question
        self._square = float(np.square(question.vector, dtype=np.float64).sum())
        self._seen: set[int] = set()
        self.answers: list[ShardAnswer] = []

    def further(self, k: int, least: float | None) -> tuple[list[Neighbour], bool]:
        """Return those of the ``k`` nearest not returned before, and whether there may be more.

        ``least`` is the lowest score that counts. ``answers`` are those of this call: a shard that
        answered an earlier call alone keeps its hits, but the result is not complete.

        Raises:
            DependencyUnavailable: no shard answered.
        """
        asked = [shard.ask(self._question, k) for shard in self._shards.values()]
        self.answers = [answer for wait in asked if (answer := wait()) is not None]
        if not self.answers:
            catalog = self._question.catalog
            raise DependencyUnavailable(
                f"None of the {catalog.shards} shards of {catalog.name!r} answered. Start shard "
                "workers."
            )
        # A shard that was late once is not waited for again.
        self._shards = {answer.shard: self._shards[answer.shard] for answer in self.answers}
        metric = self._question.catalog.metric
        found = [
            neighbour._replace(score=shown(neighbour.score, metric, self._square))
            for neighbour in joined(self.answers, k)
        ]
        if least is not None:
            found = [neighbour for neighbour in found if neighbour.score >= least]
        new = [neighbour for neighbour in found if neighbour.image not in self._seen]
        self._seen.update(neighbour.image for neighbour in new)
        return new, len(found) >= k


def joined(answers: Sequence[ShardAnswer], k: int) -> list[Neighbour]:
    """Return the k nearest of all shards, best first, ties by lower key.

    A shard may rank a late find behind worse ones (``LiveIndex.search``); it stays there, so
    that pages agree.
    """
    if len(answers) == 1:
        return answers[0].neighbours[:k]
    ranked = []
    for answer in answers:
        place = math.inf
        for neighbour in answer.neighbours:
            place = min(place, neighbour.score)
            ranked.append((-place, neighbour.image, neighbour))
    return [neighbour for *_, neighbour in sorted(ranked)[:k]]


def shown(score: float, metric: Metric, square: float = 1.0) -> float:
    """Return the score that is shown of a query whose squared length is ``square``.

    A query that weighs the parts of embeddings is no unit vector. Its inner products p are scores
    as they are; its distances become those that unit vectors of the same p have, √(2 − 2p). Codes
    put a copy a little off the highest score there is.
    """
    highest, error = HIGHEST[metric], ERROR[metric]
    if abs(square - 1.0) > _ROUNDING:
        error *= math.sqrt(square)
        if metric == "euclidean":
            score, error = -math.sqrt(max(0.0, score * score + 1.0 - square)), _NEAR
    return highest if score > highest - error else max(score, LOWEST[metric])
