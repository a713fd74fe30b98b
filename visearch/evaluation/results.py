"""The results of an evaluation; ``dataclasses.asdict`` makes them ready for JSON."""

from __future__ import annotations

from dataclasses import dataclass

from visearch.evaluation.failures import Failure
from visearch.evaluation.summary import Estimate
from visearch.records import Metric


@dataclass(frozen=True)
class ClassResult:
    """The figures of one class's queries."""

    name: str
    queries: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class LevelResult:
    """One level of labels: metrics over all queries, and by class.

    ``unanswerable`` is the number of labelled pictures without a relevant one, which are not
    queries; ``groups`` is the number of groups that the bootstrap resampled. ``weights`` are
    those of the embedding's parts (None: as in an inner product).
    """

    level: str
    queries: int
    gallery: int
    unanswerable: int
    unlabelled: int
    groups: int
    weights: dict[str, float] | None
    metrics: dict[str, Estimate]
    classes: list[ClassResult]

    @property
    def weights_in_words(self) -> str:
        """The weights as a text, empty without them."""
        return ", ".join(f"{part} {weight:.3g}" for part, weight in (self.weights or {}).items())


@dataclass(frozen=True)
class Point:
    """Same-picture recall@1 at one severity; None means the undamaged picture."""

    severity: float | None
    recall: Estimate


@dataclass(frozen=True)
class Curve:
    """Same-picture recall@1 by severity of one kind of damage."""

    corruption: str
    unit: str
    points: list[Point]


@dataclass(frozen=True)
class EncoderResult:
    """All figures of one encoder; ``weights`` are those of the robustness, of all pictures."""

    encoder: str
    fingerprint: str
    dimension: int
    weights: dict[str, float] | None
    levels: list[LevelResult]
    robustness: list[Curve]


@dataclass(frozen=True)
class Study:
    """All measurements. ``gains[i]`` is the second encoder minus the first at level i."""

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
