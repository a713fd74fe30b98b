"""What was added since the base was built: a small exact index that only grows.

Snapshots share one buffer. A snapshot sees the rows below its own length, and a writer fills
only rows above the length of every snapshot. So readers need no lock, and appending copies only
what is new, plus the buffer whenever it doubles.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from visearch.index.coded import Coded, Codes, encode
from visearch.index.exact import Found
from visearch.index.scoring import Floats, Keys, Rows
from visearch.records import Metric

_FIRST_CAPACITY = 64


@dataclass(eq=False)
class _Buffer:
    """Rows; the first ``used`` belong to some snapshot and never change again."""

    codes: Codes
    steps: Floats
    keys: Keys
    used: int
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def sized(cls, capacity: int, dimension: int) -> _Buffer:
        codes = np.empty((capacity, dimension), np.int16)
        return cls(codes, np.empty(capacity, np.float32), np.empty(capacity, np.int64), 0)

    def claim(self, start: int, rows: int) -> bool:
        """Reserve ``rows`` rows from ``start``; False if they are taken or beyond the end."""
        with self.lock:  # for writers: two that extend the same snapshot must not share rows
            free = self.used == start and start + rows <= len(self.keys)
            self.used += rows * free
            return free

    def fill(self, start: int, keys: Keys, codes: Codes, steps: Floats) -> None:
        stop = start + len(keys)
        self.keys[start:stop] = keys
        self.codes[start:stop] = codes
        self.steps[start:stop] = steps


@dataclass(frozen=True, eq=False, kw_only=True)
class Delta:
    """An immutable snapshot of the added rows; ``dead``, ascending, are the removed ones.

    ``by_key`` is the order of the rows by key (of two equal keys the later row comes last), and
    ``sorted_keys`` are the keys in that order. A change copies these, eight bytes per row, but
    not the vectors.
    """

    metric: Metric
    length: int
    dead: Rows
    by_key: Rows
    sorted_keys: Keys
    buffer: _Buffer

    @classmethod
    def empty(cls, dimension: int, metric: Metric) -> Delta:
        """Return a delta without rows."""
        none = np.empty(0, np.int64)
        buffer = _Buffer.sized(_FIRST_CAPACITY, dimension)
        return cls(metric=metric, length=0, dead=none, by_key=none, sorted_keys=none, buffer=buffer)

    @property
    def size(self) -> int:
        """The number of live rows."""
        return self.length - len(self.dead)

    @property
    def keys(self) -> Keys:
        """The keys, int64 [length], of all rows including the dead ones."""
        return self.buffer.keys[: self.length]

    @cached_property
    def coded(self) -> Coded:
        """The vectors, [length, d], of all rows including the dead ones, with their keys."""
        codes, steps = self.buffer.codes[: self.length], self.buffer.steps[: self.length]
        return Coded(codes=codes, steps=steps, metric=self.metric, keys=self.keys)

    def append(self, keys: Keys, vectors: Floats) -> Delta:
        """Return a delta with more rows: keys int64 [a], finite vectors float32 [a, d]."""
        buffer, coded = self.buffer, encode(vectors)
        if not buffer.claim(self.length, len(keys)):
            buffer = self._grown(len(keys))
        buffer.fill(self.length, keys, *coded)
        length = self.length + len(keys)
        by_key = np.argsort(buffer.keys[:length], kind="stable")
        ordered = buffer.keys[:length][by_key]
        return replace(self, length=length, by_key=by_key, sorted_keys=ordered, buffer=buffer)

    def kill(self, rows: Rows) -> Delta:
        """Return a delta in which these rows, live until now, are dead."""
        return replace(self, dead=np.union1d(self.dead, rows))

    def row_of(self, keys: Keys) -> Rows:
        """Return the live row, int64 [r], of each key int64 [r]; -1 where there is none."""
        if self.length == 0:
            return np.full(keys.shape, -1, np.int64)
        last = np.searchsorted(self.sorted_keys, keys, side="right") - 1
        rows = self.by_key[np.maximum(last, 0)]
        live = (self.sorted_keys[last] == keys) & (last >= 0) & ~contains(self.dead, rows)
        return np.where(live, rows, -1).astype(np.int64)

    def search(self, query: Floats, k: int, allowed: Keys | None = None) -> Found:
        """Return keys int64 [k'] and exact scores float32 [k'] of the k best live rows.

        With ``allowed``, ascending keys int64 [r], only these are considered.
        """
        if allowed is None:
            return self.coded.best(query, k, skip=self.dead)
        return self.coded.best(query, k, rows=self._rows_of(allowed))

    def _rows_of(self, ascending: Keys) -> Rows:
        """Return the live rows for some keys: the fewer are looked up among the others."""
        if len(ascending) < self.length:
            rows = self.row_of(ascending)
            return rows[rows >= 0]
        rows = np.flatnonzero(contains(ascending, self.keys))
        return rows[~contains(self.dead, rows)]

    def _grown(self, more: int) -> _Buffer:
        capacity = max(_FIRST_CAPACITY, 2 * (self.length + more))
        buffer = _Buffer.sized(capacity, self.buffer.codes.shape[1])
        buffer.fill(0, self.keys, self.coded.codes, self.coded.steps)
        buffer.used = self.length + more
        return buffer


def contains(ascending: Rows, rows: Rows) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return which of ``rows`` are in ``ascending``, bool of the same shape as ``rows``."""
    if ascending.size == 0:
        return np.zeros(rows.shape, np.bool_)
    places = np.minimum(np.searchsorted(ascending, rows), ascending.size - 1)
    return np.asarray(ascending[places] == rows)
