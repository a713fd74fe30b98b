"""Which pictures query which, and what counts as a right answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

UNLABELLED = -1
ELSEWHERE = -2
"""Label of a picture that does not belong to the level."""

Rows = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Retrieval:
    """Queries and a gallery, as rows in a list of n pictures.

    ``labels`` is int32 [n]. A gallery picture is relevant for a query if both have the same
    label; a picture is never a candidate for itself. ``queries`` int64 [q] and ``gallery``
    int64 [g] are ascending, and all their pictures have labels. ``unanswerable`` is the
    number of queries left out because no gallery picture is relevant. ``unlabelled`` is the
    number of pictures left out for lack of a label.
    """

    labels: Labels
    queries: Rows
    gallery: Rows
    unanswerable: int
    unlabelled: int

    @cached_property
    def own(self) -> Rows:
        """Each query's own place in the gallery, int64 [q]; -1 if it is not there."""
        if not len(self.gallery):
            return np.full(len(self.queries), -1, np.int64)
        place = np.searchsorted(self.gallery, self.queries).clip(max=len(self.gallery) - 1)
        return np.where(self.gallery[place] == self.queries, place, -1)

    @cached_property
    def relevant(self) -> Rows:
        """Number of relevant gallery pictures for each query, int64 [q], all ≥ 1."""
        return _count_relevant(self.labels, self.queries, self.gallery)

    @property
    def candidates(self) -> int:
        """Smallest number of pictures that a query ranks."""
        return len(self.gallery) - int((self.own >= 0).any())


def leave_one_out(labels: Labels) -> Retrieval:
    """Let every labelled picture query all others; labels int32 [n]."""
    known = np.flatnonzero(labels >= 0)
    return _answerable(labels, known, known)


def query_to_gallery(labels: Labels, in_gallery: npt.NDArray[np.bool_]) -> Retrieval:
    """Let pictures outside the gallery query it; labels int32 [n], in_gallery bool [n]."""
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
