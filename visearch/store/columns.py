"""What a block of products says in one attribute, packed so that it is looked through fast.

A product's block is its key divided by ``BLOCK``, its place in the block is the remainder.

    length of the head, uint32 | head: JSON [numbers, bytes per code, others]
    numbers float64 [n] | places uint16 [e] | codes int8, int16 or int32 [e]

Each of the ``e`` entries says that the product at a place has a value. Code 0 is the first of
``numbers``, code -1 the last of ``others``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 2048
"""Products: small enough to be written again for each import of a few, large enough to be few."""

FIRST_INEXACT = 2**63
"""Whole numbers from here on are taken for the nearest float, as SQLite does."""

_CODES = (np.int8, np.int16, np.int32)

Other = str | bool | int
"""A text, a boolean, or a whole number that no float is equal to."""

Keys = NDArray[np.int64]

Chosen = NDArray[np.bool_]
"""Which products of a block are meant, bool [BLOCK]."""


@dataclass(frozen=True, eq=False)
class Column:
    """The values are unique; an entry is a place and the code of a value."""

    numbers: NDArray[np.float64]
    others: Sequence[Other]
    places: NDArray[np.uint16]
    codes: NDArray[np.int32]

    @classmethod
    def unpack(cls, data: bytes) -> Column:
        """Read what ``pack`` wrote."""
        start = 4 + int.from_bytes(data[:4], "little")
        count, width, others = json.loads(data[4:start])
        numbers = np.frombuffer(data, np.float64, count, start)
        start += 8 * count
        entries = (len(data) - start) // (2 + width)
        places = np.frombuffer(data, np.uint16, entries, start)
        codes = np.frombuffer(data, _CODES[width // 2], entries, start + 2 * entries)
        return cls(numbers, others, places, codes.astype(np.int32, copy=False))

    def pack(self) -> bytes:
        """Return the column as bytes."""
        most = max(len(self.numbers), len(self.others))
        kind = next(kind for kind in _CODES if most <= np.iinfo(kind).max)
        width = np.dtype(kind).itemsize
        head = json.dumps([len(self.numbers), width, list(self.others)]).encode()
        head += b" " * (-(4 + len(head)) % 8)  # the numbers are read where they lie
        codes = self.codes.astype(kind)
        parts = (self.numbers.tobytes(), self.places.tobytes(), codes.tobytes())
        return b"".join((len(head).to_bytes(4, "little"), head, *parts))

    def changed(self, gone: Collection[int], added: Iterable[tuple[int, object]]) -> Column:
        """Return the column without the entries of the places ``gone``, and with those ``added``.

        What is added must be new to its place; twice the same counts once.
        """
        keep = ~at(gone)[self.places]
        numbers, others = self.numbers.tolist(), list(reversed(self.others))
        number_codes = dict(zip(numbers, range(len(numbers)), strict=True))
        other_codes = {other: ~i for i, other in enumerate(others)}
        new: dict[tuple[int, int], None] = {}
        for place, member in added:
            value = canonical(member)
            if isinstance(value, float):
                code = number_codes.setdefault(value, len(numbers))
                if code == len(numbers):
                    numbers.append(value)
            else:
                code = other_codes.setdefault(value, ~len(others))
                if ~code == len(others):
                    others.append(value)
            new[place, code] = None
        pairs = np.array(list(new), np.int32).reshape(-1, 2)
        places = np.concatenate((self.places[keep], pairs[:, 0].astype(np.uint16)))
        codes = np.concatenate((self.codes[keep], pairs[:, 1]))
        return _compact(np.array(numbers, np.float64), others[::-1], places, codes)

    def having(self, numbers: Chosen | None, others: Sequence[bool] | None) -> Chosen:
        """Return the products that have one of the values marked; None marks no value."""
        out = np.zeros(BLOCK, np.bool_)
        marked = np.zeros(len(self.numbers) + len(self.others), np.bool_)
        if numbers is not None:
            marked[: len(numbers)] = numbers
        if others is not None:
            marked[len(self.numbers) :] = others
        out[self.places[marked[self.codes]]] = True
        return out

    def present(self) -> Chosen:
        """Return the products that have any value."""
        out = np.zeros(BLOCK, np.bool_)
        out[self.places] = True
        return out

    def numbers_of(self, chosen: Chosen) -> NDArray[np.float64]:
        """Return the numbers that the chosen products have; the column has no other values."""
        return self.numbers[self.codes[chosen[self.places]]]

    def counted(self, chosen: Chosen) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return how many of the chosen products have each of ``numbers``, each of ``others``."""
        before = len(self.others)
        codes = self.codes[chosen[self.places]] + before
        counts = np.bincount(codes, minlength=before + len(self.numbers))
        return counts[before:], counts[:before]


def _compact(
    numbers: NDArray[np.float64],
    others: Sequence[Other],
    places: NDArray[np.uint16],
    codes: NDArray[np.int32],
) -> Column:
    """Leave out the values that no entry has any more."""
    used, ranks = np.unique(codes, return_inverse=True)
    first = int(np.searchsorted(used, 0))
    kept = [others[code] for code in used[:first].tolist()]
    return Column(numbers[used[first:]], kept, places, (ranks - first).astype(np.int32))


EMPTY = Column(np.empty(0, np.float64), (), np.empty(0, np.uint16), np.empty(0, np.int32))


def at(places: Collection[int]) -> Chosen:
    """Return these places of a block."""
    out = np.zeros(BLOCK, np.bool_)
    out[np.fromiter(places, np.intp, len(places))] = True
    return out


def canonical(value: object) -> float | Other:
    """Return a member of an attribute as a column holds it: equal values are the same there.

    A number is a float if one is equal to it. Numbers too large for SQLite's integers become
    floats, too.
    """
    if isinstance(value, bool | str):
        return value
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no member of an attribute")
    nearest = float(value) + 0.0  # zero has no sign: one product's would be shown for all
    return nearest if nearest == value or abs(value) >= FIRST_INEXACT else value
