"""The index a worker serves: an immutable base, what was added since, and what was removed.

As in an LSM tree, changes go beside the base until maintenance folds them into the next
generation. A ``LiveIndex`` never changes: searching threads hold one while a single writer
derives the next with ``apply`` and swaps a reference, so nobody waits for anybody.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visearch.index.delta import Delta, contains
from visearch.index.exact import Found, nothing, scan, scan_rows
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
    gap,
    order,
    slack,
    squared_norms,
)
from visearch.records import Metric, Neighbour

_FEWEST = 32
_SPARE = 8
_FEW = 20_000
"""So many allowed rows are all scored: some ten milliseconds."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LiveIndex:
    """One immutable snapshot of a catalog's vectors at ``revision``.

    ``dead`` are the removed rows of ``base``, int64, ascending. Any number of threads may
    search any number of snapshots; ``apply`` is for one writer (two would not corrupt anything,
    but each would miss the other's change).
    """

    metric: Metric
    dimension: int
    revision: int
    base: Generation | None
    dead: Rows
    delta: Delta

    @classmethod
    def empty(cls, dimension: int, metric: Metric) -> LiveIndex:
        """Return an index of nothing at revision 0, for vectors of ``dimension`` floats."""
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
        """Return an index of exactly what ``generation`` holds, at its revision."""
        manifest = generation.manifest
        start = cls.empty(manifest.dimension, manifest.metric)
        return replace(start, base=generation, revision=manifest.revision)

    @property
    def size(self) -> int:
        """The number of live vectors."""
        return self._base_count - len(self.dead) + self.delta.size

    @property
    def delta_size(self) -> int:
        """The number of live vectors that are not in the base: what each search scans."""
        return self.delta.size

    @property
    def tombstones(self) -> int:
        """The number of removed vectors that still take up room, in base and delta."""
        return len(self.dead) + len(self.delta.dead)

    def apply(
        self,
        added_keys: Keys,
        added_vectors: Floats,
        removed_keys: Keys,
        revision: int,
    ) -> LiveIndex:
        """Return the index after a change: int64 [a], float32 [a, d], int64 [r].

        Additions come before removals, so a key in both is gone. The change log is replayed in
        order of revision and may be replayed from any earlier point of the same revision:
        adding a key that is live changes nothing (its vector stays the first one), and removing
        a key that is not live is not remembered. A removed key may be added again.

        Appending costs the new vectors, eight bytes for each one in the delta, and a copy of
        the delta whenever it has doubled.

        Raises ValueError for a wrong dtype or shape, vectors that are not finite or, for
        ``cosine``, not unit vectors, and a ``revision`` older than this one.
        """
        if revision < self.revision:
            raise ValueError(f"revision {revision} is older than {self.revision}")
        check_keys(removed_keys)
        return replace(
            self._added(added_keys, added_vectors)._removed(removed_keys), revision=revision
        )

    def search(
        self,
        query: NDArray[Any],
        k: int,
        *,
        allowed: Keys | None = None,
        offset: int = 0,
    ) -> list[Neighbour]:
        """Return the live neighbours number ``offset`` to ``offset + k`` of a query [d].

        Best first, ties by lower key, and as many as there are: min(k, live - offset). Scores
        are exact; which neighbours are found is exact too, except in a base large enough to
        have a tree (``Generation.scores_everything``). There, pages neither repeat nor skip,
        but a neighbour that only the search for a later page found stands there, behind worse
        ones. With ``allowed``, int64 [r], only these keys count (unknown ones are ignored).

        Raises ValueError for a query of another dtype or shape, not finite or, for ``cosine``,
        not a unit vector, and for k < 1 or offset < 0.
        """
        check_count(k)
        if offset < 0:
            raise ValueError(f"offset must not be negative, but is {offset}")
        row = check_query(query, self.metric, self.dimension)
        want = offset + k
        based = self._from_base(row, want, None if allowed is None else self._rows_of(allowed))
        added = self._from_delta(row, want, allowed)
        found = _merged(based, added, want) if len(added[0]) else based[:2]
        pairs = zip(found[0][offset:want].tolist(), found[1][offset:want].tolist(), strict=True)
        return [Neighbour(key, score) for key, score in pairs]

    def keys(self) -> Keys:
        """Return the keys of all live vectors, int64 [size], ascending."""
        added = self.delta.keys[self.delta.live_rows()]
        if self.base is None:
            return np.sort(added)
        return np.sort(np.concatenate((np.delete(self.base.keys, self.dead), added)))

    def vector(self, key: int) -> Floats | None:
        """Return a copy of the vector, float32 [d], of a live key; None if it is not live."""
        keys = np.array([key], np.int64)
        added, based = self.delta.row_of(keys)[0], self._base_row_of(keys)[0]
        if added >= 0:
            return np.array(self.delta.vectors[added])
        if self.base is not None and based >= 0:
            return np.array(self.base.vectors[self._base_row_of(keys)][0])
        return None

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
            raise ValueError(f"{len(keys)} keys for {len(vectors)} vectors")
        norms = squared_norms(vectors, self.metric)
        firsts = np.sort(np.unique(keys, return_index=True)[1])
        known = (self._base_row_of(keys) >= 0) | (self.delta.row_of(keys) >= 0)
        new = firsts[~known[firsts]]
        if new.size == 0:
            return self
        return replace(self, delta=self.delta.append(keys[new], vectors[new], norms[new]))

    def _removed(self, keys: Keys) -> LiveIndex:
        based, added = self._base_row_of(keys), self.delta.row_of(keys)
        return replace(
            self,
            dead=np.union1d(self.dead, based[based >= 0]),
            delta=self.delta.kill(added[added >= 0]),
        )

    def _rows_of(self, keys: Keys) -> Rows:
        """Return the live rows of the base of some keys, ascending."""
        check_keys(keys)
        rows = self._base_row_of(np.unique(keys))
        return rows[rows >= 0]

    def _from_delta(self, query: Floats, want: int, allowed: Keys | None) -> Found:
        delta = self.delta
        if delta.size == 0:
            return nothing()
        if allowed is None:
            return delta.search(query, want)
        rows = delta.row_of(np.unique(allowed))
        return scan_rows(query, delta.vectors, delta.keys, rows[rows >= 0], want, self.metric)

    def _from_base(self, query: Floats, want: int, allowed: Rows | None) -> Ranking:
        """Return keys, scores and places of the best live rows of the base, among ``allowed``."""
        base = self.base
        if base is None:
            return _exactly(nothing())
        if allowed is not None and (base.scores_everything or len(allowed) <= _FEW):
            return _exactly(scan_rows(query, base.vectors, base.keys, allowed, want, self.metric))
        if base.scores_everything:
            return _exactly(self._from_all(base, query, want))
        usable: Usable | None = None
        if allowed is not None:
            usable = partial(contains, allowed)
        elif len(self.dead):
            usable = self._is_live
        rows, scores, places = ranked(
            base, query, want, usable, lambda k: self._all_rows(base, query, k, allowed)
        )
        return base.keys[rows], scores, places

    def _is_live(self, rows: Rows) -> NDArray[np.bool_]:
        return np.asarray(~contains(self.dead, rows))

    def _all_rows(self, base: Generation, query: Floats, k: int, allowed: Rows | None) -> Found:
        """Return the rows of the k best of the base by looking at all of them."""
        numbers = np.arange(len(base.vectors), dtype=np.int64)
        if allowed is not None:
            return scan_rows(query, base.vectors, numbers, allowed, k, self.metric)
        return scan(query, base.vectors, numbers, k, self.metric, skip=self.dead)

    def _from_all(self, base: Generation, query: Floats, want: int) -> Found:
        """Return the best live rows of a base that ScaNN scores whole, as if we had."""
        fetch = max(_FEWEST, 1 << (want + _SPARE - 1).bit_length())
        while fetch <= self._base_count // 4:
            rows, scores = base.nearest(query, fetch)
            live = self._is_live(rows)
            if live.sum() >= want and self._settled(base, query, scores, scores[live][want - 1]):
                return base.keys[rows[live][:want]], scores[live][:want]
            fetch *= 2
        return scan(query, base.vectors, base.keys, want, self.metric, skip=self.dead)

    def _settled(self, base: Generation, query: Floats, scores: Floats, last: float) -> bool:
        """Whether no row left out can equal the last one kept.

        ScaNN's rounding decides what is at the end of its answer, so what is kept must be
        clearly better than that.
        """
        end = gap(float(last), float(scores[-1]), self.metric)
        return end > slack(query, base.manifest.longest, self.metric)


def _exactly(found: Found) -> Ranking:
    return (*found, found[1])


def _merged(based: Ranking, added: Found, want: int) -> Found:
    """Return the best of both by place, ties by lower key."""
    keys, scores, places = joined(based, _exactly(added))
    chosen = order(places, keys)[:want]
    return keys[chosen], scores[chosen]
