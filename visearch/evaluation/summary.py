"""Scores of queries → figures with confidence intervals, for one encoder or two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visearch.evaluation.bootstrap import Bootstrap, Samples, interval
from visearch.evaluation.metrics import RANK, Values

MEDIAN_RANK = "median_rank"
_NAMES = {"average_precision": "map", RANK: MEDIAN_RANK}


@dataclass(frozen=True)
class Estimate:
    """A figure and its interval; None if there is only one group of queries."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Summary:
    """Figures by name, and their values in every bootstrap resample, [resamples, m]."""

    figures: dict[str, float]
    samples: Samples | None

    def estimates(self) -> dict[str, Estimate]:
        """Return every figure with its interval."""
        return _estimates(self.figures, self.samples)

    def minus(self, other: Summary) -> dict[str, Estimate]:
        """Return how much higher each figure is than another encoder's on the same queries.

        Both must come from the same bootstrap. Their resamples then have the same queries,
        so that effects of hard queries on both encoders cancel out.
        """
        gains = {name: value - other.figures[name] for name, value in self.figures.items()}
        if self.samples is None or other.samples is None:
            return _estimates(gains, None)
        return _estimates(gains, self.samples - other.samples)


def figures(values: dict[str, Values]) -> dict[str, float]:
    """Return the mean over queries, or for ranks the median, of each metric float64 [q]."""
    return {
        _NAMES.get(name, name): float(np.median(each) if name == RANK else np.mean(each))
        for name, each in values.items()
    }


def summarise(values: dict[str, Values], bootstrap: Bootstrap) -> Summary:
    """Summarise metrics, float64 [q] each, of queries that ``bootstrap`` resamples."""
    if bootstrap.units < 2:
        return Summary(figures(values), None)
    means = iter(bootstrap.means(_columns(values)).T)
    samples = [
        bootstrap.medians(each) if name == RANK else next(means) for name, each in values.items()
    ]
    return Summary(figures(values), np.stack(samples, axis=1))


def _columns(values: dict[str, Values]) -> npt.NDArray[np.float64]:
    return np.stack([each for name, each in values.items() if name != RANK], axis=1)


def _estimates(values: dict[str, float], samples: Samples | None) -> dict[str, Estimate]:
    if samples is None:
        return {name: Estimate(value, None, None) for name, value in values.items()}
    low, high = interval(samples)
    return {
        name: Estimate(value, float(low[i]), float(high[i]))
        for i, (name, value) in enumerate(values.items())
    }
