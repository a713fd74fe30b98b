"""Fits the weights of an embedding's parts to a catalog, from its own pictures, without labels.

A part that was trained on the catalog's kind of goods is calm: a picture and an edited copy of it
have the same neighbours. On other goods it is not, and finds the wrong ones. So weights are good if
an edited copy finds its picture first, and the picture's neighbours besides; and, where something
is known of the pictures, if pictures that are alike in it are neighbours. Of the part *instance*,
calm says nothing: it was trained to be the same for a picture and its copies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from visearch.encoders.layout import INSTANCE
from visearch.fusion.weights import Parts, Vectors, Weights, check, weigh

STEPS = (0.0, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0)
"""The weights that are tried of every part but the first, which has weight 1."""
NEIGHBOURS = 10
FEWEST = 5 * NEIGHBOURS
"""With fewer pictures nothing is fitted: the nearest ten would be most of them."""
SURE = 2.0
"""Standard errors of a difference, up to which it may be chance: the best is one of many tried."""
EQUAL = 1e-6
"""Similarities that differ by less are of equal pictures."""

Rows = npt.NDArray[np.intp]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """n pictures of a catalog, and m edited copies of some of them.

    ``pictures`` are embeddings float32 [n, d], ``copies`` float32 [m, d]; ``of`` int [m] are the
    rows of the pictures that were copied. Each of ``alike`` int [n] says in one way which pictures
    are alike: those with the same number; -1 is like no other.
    """

    pictures: Vectors
    copies: Vectors
    of: Rows
    alike: Sequence[npt.NDArray[np.integer]] = ()


@dataclass(frozen=True)
class Trial:
    """Weights and how good they are on a sample, each 0..1; ``alike`` is None if unknown.

    ``found`` is the share of copies that find their picture, or an equal one, first. ``calm`` is
    the share of a picture's nearest ten that are its copy's, too, by the other parts than
    *instance*. ``alike`` is the share of the nearest that are alike, of as many as there are, at
    most ten; of the copies of which that is known.
    """

    weights: Weights
    found: float
    calm: float
    alike: float | None


@dataclass(frozen=True)
class Fit:
    """The weights that were chosen, and beside them those that were there and the best."""

    chosen: Trial
    default: Trial
    best: Trial
    pictures: int
    copies: int


def fit(sample: Sample, parts: Parts, default: Weights) -> Fit | None:
    """Choose weights for a catalog; None if it has too few pictures, or the embedding one part.

    Of those tried that are as good as the best but for chance, the ones nearest to ``default`` are
    chosen, as the one-standard-error rule does (Hastie, Tibshirani and Friedman 2009, "The Elements
    of Statistical Learning", §7.10); here by the differences to the best, copy by copy.

    Raises:
        InvalidRequest: ``default`` are no weights of these parts.
    """
    check(default, parts)
    if len(parts) < 2 or min(len(sample.pictures), len(sample.of)) < FEWEST:
        return None
    trials = _Trials(sample, parts)
    tried = [(weights, trials.of(weights)) for weights in _grid(parts, default)]
    goodness = np.stack([np.nansum(values, axis=0) for _, values in tried])
    best = int(np.argmax(goodness.mean(axis=1)))
    chosen = min(as_good_as(best, goodness), key=lambda i: _distance(tried[i][0], default))
    return Fit(
        chosen=_trial(*tried[chosen]),
        default=_trial(*tried[0]),
        best=_trial(*tried[best]),
        pictures=len(sample.pictures),
        copies=len(sample.copies),
    )


def as_good_as(best: int, goodness: Values) -> list[int]:
    """Return the rows of goodness float64 [t, m] that are behind row ``best`` by chance at most."""
    behind = goodness[best] - goodness
    error = behind.std(axis=1, ddof=1) / np.sqrt(behind.shape[1])
    return [int(i) for i in np.flatnonzero(behind.mean(axis=1) <= SURE * error)]


def _grid(parts: Parts, default: Weights) -> Iterator[Weights]:
    """Yield the default weights and then all that are tried."""
    yield default
    first, *others = parts
    for steps in product(STEPS, repeat=len(others)):
        yield {first: 1.0, **dict(zip(others, steps, strict=True))}


class _Trials:
    """Tries weights on a sample."""

    def __init__(self, sample: Sample, parts: Parts) -> None:
        self._sample, self._parts = sample, parts
        self._originals = sample.pictures[sample.of]
        self._calm: dict[tuple[float, ...], Values] = {}

    def of(self, weights: Weights) -> list[Values]:
        """Return for each copy whether it found, how calm it is, how alike: float64 [m] each."""
        sample = self._sample
        scores = self._scores(weights, sample.copies)
        own = scores[np.arange(len(sample.of)), sample.of]
        found = own >= scores.max(axis=1) - EQUAL
        near = _nearest(sample, self._scores(weights, self._originals))
        judged = {name: 0.0 if name == INSTANCE else weight for name, weight in weights.items()}
        key = tuple(judged[name] for name in self._parts)
        if key not in self._calm:
            self._calm[key] = self._calm_of(judged)
        return [found.astype(np.float64), self._calm[key], *_alike(sample, near)]

    def _calm_of(self, weights: Weights) -> Values:
        """Return the share of the neighbours that a picture and its copy have in common."""
        if not any(weights.values()):
            return np.zeros(len(self._sample.of))
        near, still_near = (
            _nearest(self._sample, self._scores(weights, queries))
            for queries in (self._originals, self._sample.copies)
        )
        kept: Values = np.mean((near[:, :, None] == still_near[:, None, :]).any(axis=2), axis=1)
        return kept

    def _scores(self, weights: Weights, queries: Vectors) -> Vectors:
        """Return the similarity of each query [m, d] to each picture, float32 [m, n]."""
        return np.asarray(weigh(queries, self._parts, weights) @ self._sample.pictures.T)


def _nearest(sample: Sample, scores: Vectors) -> Rows:
    """Return each copied picture's ten nearest others by scores [m, n]: int [m, 10], best first.

    Its own score is overwritten.
    """
    scores[np.arange(len(sample.of)), sample.of] = -np.inf
    some = np.argpartition(-scores, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    order = np.argsort(-np.take_along_axis(scores, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)


def _alike(sample: Sample, near: Rows) -> list[Values]:
    """Return the mean over the ways to be alike, NaN for a copy of which nothing is known.

    Nothing if that is all of them.
    """
    shares = []
    for numbers in sample.alike:
        _, places, counts = np.unique(numbers, return_inverse=True, return_counts=True)
        mine = numbers[sample.of]
        reach = np.where(mine >= 0, counts[places][sample.of] - 1, 0).clip(max=NEIGHBOURS)
        within = np.arange(NEIGHBOURS) < reach[:, None]
        hits = ((numbers[near] == mine[:, None]) & within).sum(axis=1)
        shares.append(np.where(reach > 0, hits / np.maximum(reach, 1), np.nan))
    known = ~np.isnan(shares)
    if not known.any():
        return []
    some = known.any(axis=0)
    return [np.where(some, np.nansum(shares, axis=0) / np.maximum(known.sum(axis=0), 1), np.nan)]


def _trial(weights: Weights, values: list[Values]) -> Trial:
    found, calm, *alike = (float(np.nanmean(each)) for each in values)
    return Trial(weights, found, calm, alike[0] if alike else None)


def _distance(one: Weights, other: Weights) -> float:
    """Return how far weights are from each other, as shares of a similarity: 0..2."""
    sums = sum(one.values()), sum(other.values())
    return sum(abs(one[name] / sums[0] - other[name] / sums[1]) for name in one)
