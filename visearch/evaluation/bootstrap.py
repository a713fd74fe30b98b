"""Confidence intervals by resampling queries, or whole groups of queries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

RESAMPLES = 1000
CONFIDENCE = 0.95

_DRAWS_PER_BLOCK = 1 << 22

Samples = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bootstrap:
    """Resamples n queries with replacement, a whole group at a time.

    ``groups`` is int [n]. Queries of one group, such as a sender's photos, resemble each
    other; drawing them one by one would give too narrow intervals (Davison and Hinkley 1997,
    "Bootstrap Methods and their Application", §3.8). Independent queries need a group each.
    The same seed draws the same resamples, so the difference of two encoders' samples is the
    paired bootstrap of their difference. The gallery is not resampled: intervals describe
    other queries to the same gallery.
    """

    groups: npt.NDArray[np.integer]
    resamples: int = RESAMPLES
    seed: int = 0

    @cached_property
    def _units(self) -> npt.NDArray[np.int64]:
        _, units = np.unique(self.groups, return_inverse=True)
        return np.asarray(units)

    @property
    def units(self) -> int:
        """Number of groups drawn in each resample."""
        return int(self._units.max(initial=-1)) + 1

    def means(self, values: npt.NDArray[np.float64]) -> Samples:
        """Return the mean of each column of values [n, m] in each resample, [resamples, m]."""
        sums = np.zeros((self.units, values.shape[1]))
        np.add.at(sums, self._units, values)
        sizes = np.bincount(self._units)
        return np.concatenate([(w @ sums) / (w @ sizes)[:, None] for w in self._draws()])

    def medians(self, values: npt.NDArray[np.float64]) -> Samples:
        """Return the median of values [n] in each resample, [resamples]."""
        order = np.argsort(values, kind="stable")
        ascending, unit = values[order], self._units[order]
        return np.concatenate([_medians(ascending, w[:, unit]) for w in self._draws()])

    def _draws(self) -> Iterator[npt.NDArray[np.int64]]:
        """Yield how often each group is drawn, [block, units], ``resamples`` rows in total."""
        rng = np.random.default_rng(self.seed)
        step = max(1, _DRAWS_PER_BLOCK // len(self.groups))
        even = np.full(self.units, 1 / self.units)
        for first in range(0, self.resamples, step):
            yield rng.multinomial(self.units, even, min(step, self.resamples - first))


def interval(samples: Samples) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the percentile interval of samples [resamples, ...], low and high, each [...].

    Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.
    """
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(samples, [tail, 1 - tail], axis=0)
    return low, high


def _medians(ascending: npt.NDArray[np.float64], counts: npt.NDArray[np.int64]) -> Samples:
    """Return the medians [b] of values [n] that occur ``counts`` [b, n] times."""
    below = np.cumsum(counts, axis=1)
    total = below[:, -1:]
    # With an even number the median is the mean of the two values in the middle.
    low, high = np.argmax(2 * below >= total, axis=1), np.argmax(2 * below > total, axis=1)
    return np.asarray((ascending[low] + ascending[high]) / 2)
