"""The whole evaluation: one or two encoders on the same pictures → figures and failures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visearch.evaluation.answers import Answers, answer
from visearch.evaluation.bootstrap import CONFIDENCE, RESAMPLES, Bootstrap
from visearch.evaluation.embedding import Advance, embed_damaged, embed_pictures
from visearch.evaluation.failures import worst_failures
from visearch.evaluation.material import Level, Material
from visearch.evaluation.protocol import ELSEWHERE, Retrieval, Rows
from visearch.evaluation.ranking import nearest
from visearch.evaluation.results import (
    ClassResult,
    Curve,
    EncoderResult,
    LevelResult,
    Point,
    Sheet,
    Study,
)
from visearch.evaluation.robustness import CORRUPTIONS
from visearch.evaluation.summary import Estimate, Summary, figures, summarise
from visearch.evaluation.weighing import Subject, Weighing
from visearch.fusion.weights import Weights
from visearch.records import Metric

ROBUSTNESS_QUERIES = 256
"""Most pictures that are damaged; each is embedded once for every severity."""


def study(
    subjects: Sequence[Subject],
    material: Material,
    similarity: Metric,
    advance: Advance,
) -> tuple[Study, list[Sheet]]:
    """Measure one or two encoders; the second is compared with the first.

    ``advance`` is called with the number of pictures just embedded.

    Raises:
        InvalidRequest: at some level no query has an answer.
        ImageError: a picture cannot be decoded.
    """
    tasks = [(level, material.task(level)) for level in material.levels]
    measured = [_measure(each, tasks, material, similarity, advance) for each in subjects]
    first, *others = measured
    result = Study(
        pictures=len(material),
        protocol=material.protocol,
        similarity=similarity,
        confidence=CONFIDENCE,
        resamples=RESAMPLES,
        robustness_queries=len(_sample(len(material))),
        encoders=[each.result for each in measured],
        gains=[
            b.minus(a)
            for other in others
            for a, b in zip(first.summaries, other.summaries, strict=True)
        ],
    )
    return result, [sheet for each in measured for sheet in each.sheets]


def workload(material: Material, encoders: int) -> int:
    """Return the number of pictures that ``study`` embeds, without those to fit weights on."""
    damages = 1 + sum(len(corruption.severities) for corruption in CORRUPTIONS)
    return encoders * (len(material) + damages * len(_sample(len(material))))


@dataclass(frozen=True)
class _Measured:
    result: EncoderResult
    summaries: list[Summary]
    sheets: list[Sheet]


def _measure(
    subject: Subject,
    tasks: list[tuple[Level, Retrieval]],
    material: Material,
    similarity: Metric,
    advance: Advance,
) -> _Measured:
    encoder = subject.encoder
    vectors = embed_pictures(encoder, material.pictures, advance)
    weighing = Weighing(subject, material, vectors, advance)
    levels, summaries, sheets = [], [], []
    for level, task in tasks:
        weights = weighing.weights(level.labels != ELSEWHERE)
        by, asking = weighing.asking(vectors, weights, similarity)
        answers = answer(vectors, task, by, asking)
        bootstrap = Bootstrap(material.groups[task.queries])
        summary = summarise(answers.values, bootstrap)
        levels.append(_level_result(level, task, weights, answers, summary, bootstrap))
        summaries.append(summary)
        sheets.append(Sheet(subject.name, level.name, worst_failures(answers, task, level)))
    weights = weighing.weights(np.ones(len(material), np.bool_))
    result = EncoderResult(
        encoder=subject.name,
        fingerprint=encoder.fingerprint,
        dimension=encoder.dimension,
        weights=_noted(weights),
        levels=levels,
        robustness=_robustness(weighing, weights, similarity),
    )
    return _Measured(result, summaries, sheets)


def _noted(weights: Weights | None) -> dict[str, float] | None:
    return None if weights is None else dict(weights)


def _level_result(
    level: Level,
    task: Retrieval,
    weights: Weights | None,
    answers: Answers,
    summary: Summary,
    bootstrap: Bootstrap,
) -> LevelResult:
    return LevelResult(
        level=level.name,
        queries=len(task.queries),
        gallery=len(task.gallery),
        unanswerable=task.unanswerable,
        unlabelled=task.unlabelled,
        groups=bootstrap.units,
        weights=_noted(weights),
        metrics=summary.estimates(),
        classes=_classes(level, task, answers),
    )


def _classes(level: Level, task: Retrieval, answers: Answers) -> list[ClassResult]:
    labels = task.labels[task.queries]
    results = []
    for label in np.unique(labels):
        mine = labels == label
        values = figures({name: each[mine] for name, each in answers.values.items()})
        results.append(ClassResult(level.classes[label], int(mine.sum()), values))
    return results


def _robustness(weighing: Weighing, weights: Weights | None, similarity: Metric) -> list[Curve]:
    material, encoder = weighing.material, weighing.subject.encoder
    rows = _sample(len(material))
    edited = embed_damaged(encoder, [material.pictures[row] for row in rows], weighing.advance)
    by, queries = weighing.asking(edited.reshape(-1, edited.shape[2]), weights, similarity)
    found = nearest(queries, weighing.vectors, by)
    hits = found.reshape(len(rows), -1) == rows[:, None]
    return _curves(_recalls(hits, Bootstrap(material.groups[rows])))


def _recalls(hits: npt.NDArray[np.bool_], bootstrap: Bootstrap) -> list[Estimate]:
    columns = {str(i): hits[:, i].astype(np.float64) for i in range(hits.shape[1])}
    return list(summarise(columns, bootstrap).estimates().values())


def _curves(recalls: list[Estimate]) -> list[Curve]:
    clean, rest = recalls[0], iter(recalls[1:])
    return [
        Curve(
            kind.name,
            kind.unit,
            [Point(None, clean), *(Point(s, next(rest)) for s in kind.severities)],
        )
        for kind in CORRUPTIONS
    ]


def _sample(pictures: int) -> Rows:
    """Return the rows of the pictures to damage, ascending; the same for every encoder."""
    rng = np.random.default_rng(0)
    return np.sort(rng.permutation(pictures)[:ROBUSTNESS_QUERIES])
