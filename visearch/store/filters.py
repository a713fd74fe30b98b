"""Attribute filters: checked, and looked up in the columns of blocks of products.

``{"colour": "red", "size": ["S", "M"], "price": {"gte": 10, "lte": 20}}``: fields are
ANDed, a list means any of. An attribute that is itself a list matches if one member does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from visearch.errors import InvalidRequest
from visearch.rules import MAX_FILTER_FIELDS, is_storable, number_of
from visearch.store.columns import FIRST_INEXACT, Chosen, Column, Other, canonical

MAX_VALUES = 256
_BOUNDS = ("gte", "lte")


class Condition(Protocol):
    """What a filter asks of one attribute."""

    def passes(self, column: Column) -> Chosen:
        """Return the products of a block that have such a value."""


@dataclass(frozen=True)
class _AnyOf:
    numbers: NDArray[np.float64]
    others: frozenset[Other]

    def passes(self, column: Column) -> Chosen:
        numbers = np.isin(column.numbers, self.numbers) if len(column.numbers) else None
        if self.others.isdisjoint(column.others):
            return column.having(numbers, None)
        return column.having(numbers, [other in self.others for other in column.others])


@dataclass(frozen=True)
class _Range:
    least: float
    most: float

    def passes(self, column: Column) -> Chosen:
        numbers = (column.numbers >= _above(self.least)) & (column.numbers <= _below(self.most))
        others = [
            type(other) is int and self.least <= other <= self.most for other in column.others
        ]
        return column.having(numbers, others)


def _above(bound: float) -> float:
    """Return the least float that is not below a bound, which may be a whole number between two."""
    near = float(bound)
    return near if near >= bound else math.nextafter(near, math.inf)


def _below(bound: float) -> float:
    """Return the largest float that is not above a bound."""
    near = float(bound)
    return near if near <= bound else math.nextafter(near, -math.inf)


def conditions(where: Mapping[str, Any]) -> dict[str, Condition]:
    """Return what the filter asks of each attribute.

    Raises:
        InvalidRequest: a filter does not have one of these forms.
    """
    if len(where) > MAX_FILTER_FIELDS:
        raise _invalid(None, f"A filter has at most {MAX_FILTER_FIELDS} fields.")
    return {field: _condition(field, wanted) for field, wanted in where.items()}


def _condition(field: str, wanted: Any) -> Condition:
    condition = _range(field, wanted) if isinstance(wanted, Mapping) else _any_of(field, wanted)
    check_field(field)
    return condition


def check_field(field: str) -> None:
    """Raise InvalidRequest if no attribute can be looked up by this name."""
    _check_text(field, field)
    if '"' in field:
        raise _invalid(field, "A field name cannot contain a quotation mark.")


def _any_of(field: str, wanted: Any) -> _AnyOf:
    values = wanted if isinstance(wanted, list) else [wanted]
    if len(values) > MAX_VALUES:
        raise _invalid(field, f"A field has at most {MAX_VALUES} values to choose from.")
    if not all(isinstance(v, str | int | float | bool) for v in values):
        raise _invalid(field, "A value is a string, a number or a boolean.")
    numbers: list[float] = []
    others: set[Other] = set()
    for value in values:
        if isinstance(value, str):
            _check_text(field, value)
        elif not isinstance(value, bool):
            value = _number(field, value)
        for form in _forms(value):
            same = canonical(form)
            if isinstance(same, float):
                numbers.append(same)
            else:
                others.add(same)
    return _AnyOf(np.array(numbers, np.float64), frozenset(others))


def _forms(value: Any) -> list[Any]:
    """Return what a value stands for: a text that spells a number also for the number.

    The values of a CSV file that do were stored as numbers.
    """
    number = number_of(value) if isinstance(value, str) else None
    return [value] if number is None else [value, number]


def _range(field: str, wanted: Mapping[str, Any]) -> _Range:
    if not wanted or set(wanted) - set(_BOUNDS):
        raise _invalid(field, "A range has 'gte', 'lte' or both.")
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in wanted.values()):
        raise _invalid(field, "The bounds of a range are numbers.")
    bounds = {op: _number(field, value) for op, value in wanted.items()}
    return _Range(bounds.get("gte", -math.inf), bounds.get("lte", math.inf))


def _number(field: str, value: float) -> float:
    """Return a number as columns hold it."""
    try:
        if math.isfinite(value):
            return float(value) if abs(value) >= FIRST_INEXACT else value
    except OverflowError:  # a whole number no float can hold
        pass
    raise _invalid(field, "A number must be finite.")


def _check_text(field: str, text: str) -> None:
    if not is_storable(text):
        raise _invalid(field, "A text cannot hold a NUL or half of a surrogate pair.")


def _invalid(field: str | None, detail: str) -> InvalidRequest:
    escaped = (field or "").replace("~", "~0").replace("/", "~1")
    pointer = "/filter" if field is None else f"/filter/{escaped}"
    return InvalidRequest(f"{pointer}: {detail}", ((pointer, detail),))
