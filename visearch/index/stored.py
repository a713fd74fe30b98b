"""The vectors of a generation, read from their file when they are asked for.

Reads, not a mapping: a mapping's pages count as the worker's own memory, and on random rows
giving them back costs more than reading does (docs/benchmarks.md). What is read often stays in
the system's page cache.
"""

from __future__ import annotations

import os
import weakref
from pathlib import Path

import numpy as np

from visearch.index.scoring import Floats, Rows

_MANY, _DENSE = 256, 16
"""Among many rows that lie so densely (one in as many), the whole span is read at once."""


class StoredVectors:
    """float32 [n, d] in a .npy file; any number of threads may read at once.

    Has of an array what scoring needs: a shape, and reading by a slice without a step or by
    rows int64 [r]. Every read is a new array. Raises OSError if the file ends early.
    """

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(self, path: Path) -> None:
        """Open ``path``; raises ValueError if it is not such a file."""
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            if version != (1, 0):
                raise ValueError(f"{path.name} has .npy version {version}")
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
            if dtype != self.dtype or fortran or len(shape) != 2:
                raise ValueError(f"{path.name} is not float32 [n, d]")
            self._start = file.tell()
            self._fd = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._fd)
        self.shape: tuple[int, int] = shape
        self._bytes = shape[1] * self.dtype.itemsize

    def __len__(self) -> int:
        """Return n."""
        return self.shape[0]

    def __getitem__(self, rows: slice | Rows) -> Floats:
        """Read a span, or single rows in their order."""
        if isinstance(rows, slice):
            first, stop, _ = rows.indices(len(self))
            return self._span(first, max(0, stop - first))
        if len(rows) > _MANY:
            first, stop = int(rows.min()), int(rows.max()) + 1
            if stop - first <= _DENSE * len(rows):
                return self._span(first, stop - first)[rows - first]
        places = (rows * self._bytes + self._start).tolist()
        data = b"".join([os.pread(self._fd, self._bytes, place) for place in places])
        return self._array(data, len(places))

    def _span(self, first: int, count: int) -> Floats:
        data = os.pread(self._fd, count * self._bytes, self._start + first * self._bytes)
        return self._array(data, count)

    def _array(self, data: bytes, count: int) -> Floats:
        if len(data) != count * self._bytes:
            raise OSError("the file of vectors ended early")
        return np.frombuffer(data, np.float32).reshape(count, self.shape[1])
