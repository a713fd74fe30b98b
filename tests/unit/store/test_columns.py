"""Columns against a dict of sets, through any changes and their packed form."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visearch.store.columns import BLOCK, EMPTY, Column, at, canonical

PLACES = st.integers(0, 5) | st.integers(0, BLOCK - 1)
VALUES = (
    st.sampled_from(["", "red", "7", True, False, 0, 1, 7, 7.0, 0.5, -0.0, 2**53, 2**53 + 1, 2**63])
    | st.text(max_size=5)
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
)
CHANGE = st.dictionaries(PLACES, st.lists(VALUES, max_size=4), max_size=6)


def key(value: object) -> tuple[bool, Any]:
    """Tell ``True`` from 1."""
    return isinstance(value, bool), value


def content(column: Column) -> dict[int, set[tuple[bool, Any]]]:
    found: dict[int, set[tuple[bool, Any]]] = {}
    for place, code in zip(column.places.tolist(), column.codes.tolist(), strict=True):
        value = column.numbers[code].item() if code >= 0 else column.others[code]
        assert key(value) not in found.setdefault(place, set())
        found[place].add(key(value))
    return found


@given(changes=st.lists(CHANGE, max_size=5))
def test_a_column_holds_what_was_written_last(changes: list[dict[int, list[Any]]]) -> None:
    model: dict[int, set[tuple[bool, Any]]] = {}
    column = EMPTY
    for change in changes:
        added = [(place, value) for place, values in change.items() for value in values]
        column = Column.unpack(column.changed(list(change), added).pack())
        model |= {place: {key(canonical(v)) for v in values} for place, values in change.items()}
        model = {place: values for place, values in model.items() if values}
        assert content(column) == model
    assert not np.signbit(column.numbers[column.numbers == 0]).any()
    values = [*column.numbers.tolist(), *column.others]
    assert len(set(map(key, values))) == len(values) == len(set().union(*model.values()))
    some = at([place for place in model if place % 2])
    numbers, others = column.counted(some)
    counts = zip(values, [*numbers.tolist(), *others.tolist()], strict=True)
    expected = Counter(value for place in model if place % 2 for value in model[place])
    assert {key(value): n for value, n in counts if n} == expected
    assert np.flatnonzero(column.present()).tolist() == sorted(model)


@pytest.mark.parametrize("distinct", [1, 127, 128, 129, 32_767, 32_768, 40_000])
def test_any_number_of_values_is_packed(distinct: int) -> None:
    entries = [(i % BLOCK, f"{i}") for i in range(distinct)]
    column = Column.unpack(EMPTY.changed((), entries).pack())
    assert content(column) == content(EMPTY.changed((), entries))
    assert len(column.others) == distinct


def test_nothing_but_a_member_of_an_attribute_is_held() -> None:
    with pytest.raises(TypeError, match="no member"):
        EMPTY.changed((), [(0, None)])
