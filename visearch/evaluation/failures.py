"""Chooses the wrong answers that the report shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from visearch.evaluation.answers import Answers
from visearch.evaluation.material import Level
from visearch.evaluation.metrics import RANK
from visearch.evaluation.protocol import Retrieval, Rows

WORST = 16


@dataclass(frozen=True)
class Shown:
    """A picture, by its row, and its class."""

    picture: int
    label: str


@dataclass(frozen=True)
class Failure:
    """A query whose first answer is wrong; ``expected`` is the best-ranked right answer."""

    query: Shown
    found: list[Shown]
    expected: Shown
    rank: int


def worst_failures(answers: Answers, task: Retrieval, level: Level) -> list[Failure]:
    """Return the worst failure of each class, at most ``WORST``, the worst ranks first.

    There is one for each class, because the worst of all often share a class or a wrong
    label.
    """

    def shown(row: np.int64) -> Shown:
        return Shown(int(row), level.classes[task.labels[row]])

    return [
        Failure(
            query=shown(task.queries[i]),
            found=[shown(row) for row in answers.found[i]],
            expected=shown(answers.expected[i]),
            rank=int(answers.values[RANK][i]),
        )
        for i in _worst_of_each_class(answers.values[RANK], task.labels[task.queries])
    ]


def _worst_of_each_class(ranks: np.ndarray, labels: np.ndarray) -> Rows:
    order = np.argsort(-ranks, kind="stable")
    order = order[ranks[order] > 1]
    _, first = np.unique(labels[order], return_index=True)
    return order[np.sort(first)][:WORST]
