"""Vectors as the index keeps them: 16 bits per number, and one step per vector to scale them by.

They take half the memory of float32, and are so close to it that the cosine of two unit vectors
changes by some 2e-6 and a distance by some 3e-5 (``ERROR`` bounds both). Every score of the index
is between a query in float32 and a coded vector, computed by ``nearest.c``.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visearch.index.exact import Found, nothing
from visearch.index.scoring import Floats, Keys, Rows
from visearch.records import Metric

Codes = NDArray[np.int16]

ERROR: dict[Metric, float] = {"cosine": 1e-5, "euclidean": 2e-4}
"""Bound on how far a score of unit vectors is from its float32 value, a copy's score included."""

_LARGEST = 32_767
_LONG = 1_000_000
"""Above this many numbers, scoring takes so long that it releases the GIL."""

_FLOAT, _ROW = np.dtype(np.float32), np.dtype(np.uint32)
_LIBRARY = Path(__file__).with_name("nearest.so")
_VERSION = 1
_Address = ctypes.c_char * 0
"""Made from an array's memory, it passes the address; faster than ``array.ctypes``."""


class _Table(ctypes.Structure):
    _fields_ = (
        ("codes", ctypes.c_void_p),
        ("steps", ctypes.c_void_p),
        ("keys", ctypes.c_void_p),
        ("n", ctypes.c_int64),
        ("d", ctypes.c_int64),
        ("euclidean", ctypes.c_int32),
    )


def _nearest(opener: type[ctypes.CDLL]) -> Any:
    """Open the compiled part; raises ImportError if it does not belong to this source."""
    again = "Install visearch again (`pip install -e .`)."
    try:
        library = opener(str(_LIBRARY))
        version = ctypes.c_int32.in_dll(library, "nearest_version").value
    except (OSError, ValueError) as error:
        raise ImportError(f"The compiled part cannot be loaded: {error}. {again}") from error
    if version != _VERSION:
        raise ImportError(f"The compiled part has version {version}, not {_VERSION}. {again}")
    address, number, text = ctypes.c_void_p, ctypes.c_int64, ctypes.c_char_p
    function = library.nearest
    function.argtypes = (
        *(address, text, text, number),  # table, query, rows, how many
        *(text, number),  # rows to skip
        *(number, address, address),  # how many answers; keys, scores
    )
    function.restype = number
    return function


_short = _nearest(ctypes.PyDLL)
_long = _nearest(ctypes.CDLL)  # releases the GIL


@dataclass(frozen=True, eq=False, kw_only=True)
class Coded:
    """Coded vectors; immutable. Vector i is ``steps[i] * codes[i]``: float32 [n], int16 [n, d].

    ``keys``, int64 [n], are the rows' keys; without them a row is its own key. Any number of
    threads may search at once.
    """

    codes: Codes
    steps: Floats
    metric: Metric
    keys: Keys | None = None
    _table: _Table = field(init=False)
    _address: int = field(init=False)
    _shape: tuple[int] = field(init=False)

    def __post_init__(self) -> None:
        """Check the arrays, which C reads directly; raises ValueError if one does not fit."""
        n, d = self.codes.shape
        for array, kind, shape in (
            (self.codes, "<i2", (n, d)),
            (self.steps, "<f4", (n,)),
            (self.keys, "<i8", (n,)),
        ):
            if array is None:
                continue
            if array.dtype != kind or array.shape != shape or not array.flags.c_contiguous:
                raise ValueError(
                    f"An array must be contiguous {kind} {shape}, not {array.dtype} {array.shape}."
                )
        keys = None if self.keys is None else self.keys.ctypes.data
        codes, steps = self.codes.ctypes.data, self.steps.ctypes.data
        table = _Table(codes, steps, keys, n, d, self.metric == "euclidean")
        object.__setattr__(self, "_table", table)
        object.__setattr__(self, "_address", ctypes.addressof(table))
        object.__setattr__(self, "_shape", (d,))

    def __len__(self) -> int:
        """Return n."""
        return len(self.steps)

    def best(
        self,
        query: Floats,
        k: int,
        *,
        rows: NDArray[Any] | None = None,
        skip: Rows | None = None,
    ) -> Found:
        """Return keys int64 [k'] and scores float32 [k'] of the k nearest to a query float32 [d].

        Best first, ties by lower key. Scores either the given ``rows``, uint32 or int64 [r], or
        all rows except those in ``skip``, int64 [s], ascending.

        Raises ValueError for a query of another dtype or shape, and IndexError for a row that is
        not below n.
        """
        if query.dtype != _FLOAT or query.shape != self._shape:
            raise ValueError(f"A query must be float32 [d], not {query.dtype} {query.shape}.")
        count = len(self.steps) if rows is None else len(rows)
        most = min(k, count)
        if most == 0:
            return nothing()
        keys, scores = np.empty(most, np.int64), np.empty(most, _FLOAT)
        if rows is not None and rows.dtype != _ROW:
            rows = rows.astype(_ROW)
        found = (_short if count * query.size < _LONG else _long)(
            self._address,
            query.tobytes(),
            None if rows is None else rows.tobytes(),
            count,
            None if skip is None else skip.tobytes(),
            0 if skip is None else len(skip),
            most,
            _Address.from_buffer(keys.data),
            _Address.from_buffer(scores.data),
        )
        if found < 0:
            raise IndexError(f"A row is not among the {len(self.steps)} of the index.")
        return (keys, scores) if found == most else (keys[:found], scores[:found])


def encode(vectors: Floats) -> tuple[Codes, Floats]:
    """Return codes int16 [n, d] and steps float32 [n] of finite vectors float32 [n, d].

    The largest number of a vector becomes ±32,767, so no number is off by more than 1/65,534 of
    the largest.
    """
    largest = np.abs(vectors).max(axis=1, initial=0)
    steps = np.maximum(largest / np.float32(_LARGEST), np.finfo(np.float32).tiny)
    codes = np.rint(vectors / steps[:, None])
    return np.clip(codes, -_LARGEST, _LARGEST).astype(np.int16), steps
