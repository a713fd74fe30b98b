"""What an evaluation ends in; ``dataclasses.asdict`` makes it JSON."""

from __future__ import annotations

from dataclasses import dataclass

from visearch.evaluation.failures import Failure
from visearch.evaluation.summary import Estimate
from visearch.records import Metric


@dataclass(frozen=True)
class ClassResult:
    """The figures of the queries of one class."""

    name: str
    queries: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class LevelResult:
    """One level of labels: all metrics over its queries, and class by class.

    ``unanswerable`` pictures have a label but nothing to find and are not queries;
    ``groups`` counts what the bootstrap resampled.
    """

    level: str
    queries: int
    gallery: int
    unanswerable: int
    unlabelled: int
    groups: int
    metrics: dict[str, Estimate]
    classes: list[ClassResult]


@dataclass(frozen=True)
class Point:
    """Same-picture recall@1 at one severity; None stands for the undamaged picture."""

    severity: float | None
    recall: Estimate


@dataclass(frozen=True)
class Curve:
    """Same-picture recall@1 against the severity of one kind of damage."""

    corruption: str
    unit: str
    points: list[Point]


@dataclass(frozen=True)
class EncoderResult:
    """All figures of one encoder."""

    encoder: str
    fingerprint: str
    dimension: int
    levels: list[LevelResult]
    robustness: list[Curve]


@dataclass(frozen=True)
class Study:
    """Everything measured. ``gains[i]`` is the second encoder minus the first at level i."""

    pictures: int
    protocol: str
    similarity: Metric
    confidence: float
    resamples: int
    robustness_queries: int
    encoders: list[EncoderResult]
    gains: list[dict[str, Estimate]]


@dataclass(frozen=True)
class Sheet:
    """The worst failures of one encoder at one level."""

    encoder: str
    level: str
    failures: list[Failure]
