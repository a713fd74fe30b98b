"""The index a worker serves: an immutable base, what was added since, and what was removed.

As in an LSM tree, changes are kept beside the base until maintenance folds them into the next
generation. A ``LiveIndex`` never changes: searching threads use one while a single writer
derives the next with ``apply`` and replaces a reference, so no thread waits for another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visearch.index.delta import Delta, contains
from visearch.index.exact import Found, nothing
from visearch.index.generation import Generation
from visearch.index.ranking import Ranking, Usable, joined, ranked
from visearch.index.scoring import (
    Floats,
    Keys,
    Rows,
    check_count,
    check_keys,
    check_metric,
    check_query,
    check_shape,
    order,
    squared_norms,
)
from visearch.records import Metric, Neighbour

_FEW = 50_000
"""Up to this many allowed keys are all scored, which takes some five milliseconds."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LiveIndex:
    """One immutable snapshot of a catalog's vectors at ``revision``.

    ``dead`` are the removed rows of ``base``, int64, ascending. Any number of threads may
    search any number of snapshots. ``apply`` is for a single writer: two would corrupt nothing,
    but each would miss the other's changes.
    """

    metric: Metric
    dimension: int
    revision: int
    base: Generation | None
    dead: Rows
    delta: Delta

    @classmethod
    def empty(cls, dimension: int, metric: Metric) -> LiveIndex:
        """Return an empty index at revision 0, for vectors of ``dimension`` floats."""
        check_metric(metric)
        return cls(
            metric=metric,
            dimension=dimension,
            revision=0,
            base=None,
            dead=np.empty(0, np.int64),
            delta=Delta.empty(dimension, metric),
        )

    @classmethod
    def on(cls, generation: Generation) -> LiveIndex:
        """Return an index of exactly what ``generation`` contains, at its revision."""
        manifest = generation.manifest
        start = cls.empty(manifest.dimension, manifest.metric)
        return replace(start, base=generation, revision=manifest.revision)

    @property
    def size(self) -> int:
        """The number of live vectors."""
        return self._base_count - len(self.dead) + self.delta.size

    @property
    def delta_size(self) -> int:
        """The number of live vectors that are not in the base; each search scans them."""
        return self.delta.size

    @property
    def tombstones(self) -> int:
        """The number of removed vectors that still take up space, in base and delta."""
        return len(self.dead) + len(self.delta.dead)

    def apply(
        self,
        added_keys: Keys,
        added_vectors: Floats,
        removed_keys: Keys,
        revision: int,
    ) -> LiveIndex:
        """Return the index after a change: int64 [a], float32 [a, d], int64 [r].

        Additions come before removals, so a key in both is removed. Changes are replayed in
        order of revision, and replaying some of them again does no harm: adding a live key
        changes nothing (it keeps its first vector), and removing a key that is not live has no
        effect. A removed key may be added again.

        A change copies the new vectors, eight bytes for each vector in the delta, and the whole
        delta whenever it has doubled.

        Raises ValueError for a wrong dtype or shape, vectors that are not finite or, for
        ``cosine``, not unit vectors, and a ``revision`` older than this one.
        """
        if revision < self.revision:
            raise ValueError(f"Revision {revision} is older than {self.revision}.")
        check_keys(removed_keys)
        return replace(
            self._added(added_keys, added_vectors)._removed(removed_keys), revision=revision
        )

    def search(
        self, query: NDArray[Any], k: int, *, allowed: Keys | None = None
    ) -> list[Neighbour]:
        """Return what ``nearest`` does as a list of ``Neighbour``; raises what it raises."""
        keys, scores = self.nearest(query, k, allowed)
        return list(map(Neighbour, keys.tolist(), scores.tolist()))

    def nearest(self, query: NDArray[Any], k: int, allowed: Keys | None = None) -> Found:
        """Return the k live neighbours of a query [d]: keys int64 [k'], scores float32 [k'].

        Best first, ties by lower key; k' = min(k, live). The scores are exact for the vectors as
        they are kept (``coded.py``). The neighbours are exact too, unless the base is large
        enough to have a tree (``Generation.searcher``). Then a longer answer begins with the
        shorter one: a neighbour that only a harder search finds comes after the others, even
        after worse ones. With ``allowed``, int64 [r], only these keys are considered; unknown
        ones are ignored.

        Raises ValueError for a query of another dtype or shape or not finite, and for k < 1.
        """
        check_count(k)
        row = check_query(query, self.dimension)
        if allowed is not None:
            allowed = _ascending(allowed)
        based = self._from_base(row, k, allowed)
        if self.delta.length:
            return _merged(based, self.delta.search(row, k, allowed), k)
        return based[:2] if len(based[0]) <= k else (based[0][:k], based[1][:k])

    @property
    def _base_count(self) -> int:
        return 0 if self.base is None else self.base.manifest.count

    def _base_row_of(self, keys: Keys) -> Rows:
        if self.base is None:
            return np.full(keys.shape, -1, np.int64)
        rows = self.base.row_of(keys)
        return np.where(contains(self.dead, rows), -1, rows)

    def _added(self, keys: Keys, vectors: Floats) -> LiveIndex:
        check_keys(keys)
        check_shape(vectors, self.dimension)
        if len(keys) != len(vectors):
            raise ValueError(f"There are {len(keys)} keys for {len(vectors)} vectors.")
        squared_norms(vectors, self.metric)
        firsts = np.sort(np.unique(keys, return_index=True)[1])
        known = (self._base_row_of(keys) >= 0) | (self.delta.row_of(keys) >= 0)
        new = firsts[~known[firsts]]
        if new.size == 0:
            return self
        return replace(self, delta=self.delta.append(keys[new], vectors[new]))

    def _removed(self, keys: Keys) -> LiveIndex:
        based, added = self._base_row_of(keys), self.delta.row_of(keys)
        return replace(
            self,
            dead=np.union1d(self.dead, based[based >= 0]),
            delta=self.delta.kill(added[added >= 0]),
        )

    def _from_base(self, query: Floats, want: int, allowed: Keys | None) -> Ranking:
        """Return keys, scores and places of the base's best live rows, among ``allowed``."""
        base = self.base
        if base is None:
            return _exactly(nothing())
        if base.searcher is None or (allowed is not None and len(allowed) <= _FEW):
            found = _exactly(self._all_rows(base, query, want, allowed))
        else:
            usable: Usable | None = None
            if allowed is not None:
                usable = partial(self._is_allowed, base, allowed)
            elif len(self.dead):
                usable = self._is_live
            found = ranked(
                base, query, want, usable, lambda k: self._all_rows(base, query, k, allowed)
            )
        return base.keys[found[0]], found[1], found[2]

    def _is_live(self, rows: Rows) -> NDArray[np.bool_]:
        return np.asarray(~contains(self.dead, rows))

    def _is_allowed(self, base: Generation, allowed: Keys, rows: Rows) -> NDArray[np.bool_]:
        """Look up the rows found among the keys, of which there may be a million."""
        return contains(allowed, base.keys[rows]) & self._is_live(rows)

    def _all_rows(self, base: Generation, query: Floats, k: int, allowed: Keys | None) -> Found:
        """Return the k best rows of the base, and their scores, by scoring all of them."""
        if allowed is None:
            return base.coded.best(query, k, skip=self.dead)
        rows = self._base_row_of(allowed)
        return base.coded.best(query, k, rows=rows[rows >= 0])


def _ascending(keys: Keys) -> Keys:
    """Return the keys in order, each once; a filter's are already."""
    check_keys(keys)
    return keys if bool(np.all(keys[1:] > keys[:-1])) else np.unique(keys)


def _exactly(found: Found) -> Ranking:
    return (*found, found[1])


def _merged(based: Ranking, added: Found, want: int) -> Found:
    """Return the ``want`` best of both, by place; ties by lower key."""
    keys, scores, places = joined(based, _exactly(added))
    chosen = order(places, keys)[:want]
    return keys[chosen], scores[chosen]
