"""Facets: how many of a catalog's products have each value of an attribute."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from visearch.records import Catalog
from visearch.searches import FacetValue
from visearch.store import attributes
from visearch.store.attributes import PICTURES
from visearch.store.columns import FIRST_INEXACT, Chosen, Column, Other
from visearch.store.filters import check_field

MAX_VALUES = 100
"""Values of one facet in an answer: the most frequent ones."""


def count_values(
    connection: sa.Connection,
    catalog: Catalog,
    fields: Sequence[str],
    where: Mapping[str, Any],
) -> dict[str, list[FacetValue]]:
    """Count the products that pass the filter ``where`` and have a searchable picture.

    Each field has its ``MAX_VALUES`` most frequent values; equal counts are in order of value:
    numbers and booleans, then texts. A product with several values of a field counts for each.

    Raises:
        InvalidRequest: the filter or a field's name is malformed.
    """
    if not fields:
        return {}
    for field in fields:
        check_field(field)
    tallies = {attributes.column_name(field): _Tally() for field in fields}
    also = (PICTURES, *tallies)
    for _, chosen, columns in attributes.passing(connection, catalog.pk, where, also):
        shown = chosen & columns[PICTURES].present()
        for name, tally in tallies.items():
            tally.add(columns[name], shown)
    return {field: tallies[attributes.column_name(field)].most_frequent() for field in fields}


class _Tally:
    """How many products have each value of one attribute, added up over blocks."""

    def __init__(self) -> None:
        self._others: dict[Other, int] = defaultdict(int)
        self._numbers: list[NDArray[np.float64]] = []
        self._counts: list[NDArray[np.intp]] = []

    def add(self, column: Column, shown: Chosen) -> None:
        numbers, others = column.counted(shown)
        self._numbers.append(column.numbers[numbers > 0])
        self._counts.append(numbers[numbers > 0])
        for other, count in zip(column.others, others.tolist(), strict=True):
            if count:
                self._others[other] += count

    def most_frequent(self) -> list[FacetValue]:
        first = heapq.nsmallest(MAX_VALUES, map(_place, self._others.items()))
        both = sorted([*first, *map(_place, self._frequent_numbers())])[:MAX_VALUES]
        return [FacetValue(value=_plain(value), count=-less) for less, _, value in both]

    def _frequent_numbers(self) -> list[tuple[float, int]]:
        if not self._numbers:
            return []
        numbers, at = np.unique(np.concatenate(self._numbers), return_inverse=True)
        counts = np.bincount(at, np.concatenate(self._counts), len(numbers)).astype(np.int64)
        first = np.argsort(-counts, kind="stable")[:MAX_VALUES]
        return list(zip(numbers[first].tolist(), counts[first].tolist(), strict=True))


def _place(counted: tuple[Other | float, int]) -> tuple[int, bool, Any]:
    """Return what a value and its count are sorted by."""
    value, count = counted
    return -count, isinstance(value, str), value


def _plain(value: Other | float) -> Other | float:
    """Return a number as JSON usually writes it."""
    whole = isinstance(value, float) and value.is_integer() and abs(value) < FIRST_INEXACT
    return int(value) if whole else value
