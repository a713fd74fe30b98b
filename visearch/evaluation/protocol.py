"""Who queries whom, and what counts as a right answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

UNLABELLED = -1
ELSEWHERE = -2
"""Label of a picture that a level does not look at."""

Rows = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Retrieval:
    """Queries and a gallery, given as rows of one list of n pictures.

    ``labels`` is int32 [n]; a gallery picture is relevant for a query when both have the
    same label, and a picture is never a candidate for itself. ``queries`` int64 [q] and
    ``gallery`` int64 [g] are ascending and all of them labelled. Queries for which nothing
    in the gallery is relevant are not among ``queries``: no ranking could answer them.
    ``unanswerable`` counts those, ``unlabelled`` the pictures without a label, which take
    no part: nobody knows for whom they would be relevant.
    """

    labels: Labels
    queries: Rows
    gallery: Rows
    unanswerable: int
    unlabelled: int

    @cached_property
    def own(self) -> Rows:
        """Each query's own place in the gallery, int64 [q]; -1 where it is not in it."""
        if not len(self.gallery):
            return np.full(len(self.queries), -1, np.int64)
        place = np.searchsorted(self.gallery, self.queries).clip(max=len(self.gallery) - 1)
        return np.where(self.gallery[place] == self.queries, place, -1)

    @cached_property
    def relevant(self) -> Rows:
        """How many gallery pictures are relevant for each query, int64 [q], all ≥ 1."""
        return _count_relevant(self.labels, self.queries, self.gallery)

    @property
    def candidates(self) -> int:
        """The fewest pictures any query ranks."""
        return len(self.gallery) - int((self.own >= 0).any())


def leave_one_out(labels: Labels) -> Retrieval:
    """Every labelled picture queries all other labelled pictures; labels int32 [n]."""
    known = np.flatnonzero(labels >= 0)
    return _answerable(labels, known, known)


def query_to_gallery(labels: Labels, in_gallery: npt.NDArray[np.bool_]) -> Retrieval:
    """Pictures outside the gallery query those in it; labels int32 [n], in_gallery bool [n]."""
    known = labels >= 0
    return _answerable(
        labels, np.flatnonzero(known & ~in_gallery), np.flatnonzero(known & in_gallery)
    )


def _answerable(labels: Labels, queries: Rows, gallery: Rows) -> Retrieval:
    has_answer = _count_relevant(labels, queries, gallery) > 0
    return Retrieval(
        labels=labels,
        queries=queries[has_answer],
        gallery=gallery,
        unanswerable=int((~has_answer).sum()),
        unlabelled=int((labels == UNLABELLED).sum()),
    )


def _count_relevant(labels: Labels, queries: Rows, gallery: Rows) -> Rows:
    in_class = np.bincount(labels[gallery], minlength=int(labels.max(initial=0)) + 1)
    return in_class[labels[queries]] - np.isin(queries, gallery)
