"""What one encoder finds for every query of a retrieval task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from visearch.evaluation.metrics import Values, measure
from visearch.evaluation.protocol import Retrieval, Rows
from visearch.evaluation.ranking import Vectors, ranked
from visearch.records import Metric

SHOWN = 3
"""How many of the best-ranked pictures are kept for the report."""


@dataclass(frozen=True)
class Answers:
    """Scores and pictures by query, in the order of ``Retrieval.queries``.

    ``values`` are the metrics of ``metrics.measure``, float64 [q] each. ``found`` int64
    [q, ≤ SHOWN] are the rows of the pictures ranked first. ``expected`` int64 [q] is the row
    of the best-ranked relevant picture.
    """

    values: dict[str, Values]
    found: Rows
    expected: Rows


def answer(
    vectors: Vectors, task: Retrieval, similarity: Metric, asking: Vectors | None = None
) -> Answers:
    """Rank the gallery of ``task`` for all its queries; there must be at least one.

    ``vectors`` is float32 [n, d], one row for each picture; ``asking`` are those of the pictures
    as queries, if they differ.

    Raises:
        ValueError: a vector is not finite.
    """
    queries = (vectors if asking is None else asking)[task.queries]
    gallery = vectors[task.gallery]
    blocks = [
        _score(task, part, task.gallery[order])
        for part, order in ranked(queries, gallery, similarity, task.own)
    ]
    return Answers(
        values={
            name: np.concatenate([block.values[name] for block in blocks])
            for name in blocks[0].values
        },
        found=np.concatenate([block.found for block in blocks]),
        expected=np.concatenate([block.expected for block in blocks]),
    )


def _score(task: Retrieval, part: slice, found: Rows) -> Answers:
    """Score one block of queries; ``found`` int64 [block, g] are rows of pictures, best first."""
    queries = task.queries[part, None]
    hits = (task.labels[found] == task.labels[queries]) & (found != queries)
    best = np.argmax(hits, axis=1)[:, None]
    return Answers(
        values=measure(hits, task.relevant[part]),
        found=found[
            :, : min(SHOWN, task.candidates)
        ].copy(),  # a view would keep the whole array in memory
        expected=np.take_along_axis(found, best, axis=1)[:, 0],
    )
