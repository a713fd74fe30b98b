"""Types of columns over all their values; what was typed is kept."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visearch.tables.table import Cell, Kind
from visearch.tables.values import (
    Evidence,
    Reader,
    Type,
    Value,
    exact_number,
    is_damaged,
    is_date,
    text_of,
)


def guess(
    cells: list[Cell], kind: Kind = "csv", *, price: bool = False, code: bool = False
) -> Type:
    evidence = Evidence(kind)
    for cell in cells:
        evidence.add(cell, price=price)
    return evidence.guess(price=price, code=code)


def kept(cells: list[Cell], kind: Kind = "csv") -> list[Value | None]:
    """Return what is kept of a column whose type is guessed."""
    reader = Reader(kind, guess(cells, kind))
    taken = [reader.read(cell) for cell in cells]
    return [None if each is None else each.value for each in taken]


@pytest.mark.parametrize(
    ("cells", "type_"),
    [
        (["1", "2.5", "-3", "", None], "number"),
        (["1", "x"], "text"),
        (["1", "01"], "text"),
        (["1.5", "1.50"], "text"),
        (["90.750"], "text"),
        (["1", "2.0"], "text"),
        (["1", "4006381333931"], "text"),
        (["12345678901"], "number"),
        (["123456789012"], "text"),
        (["+1"], "text"),
        (["1e5"], "text"),
        (["0.1234567890123456"], "text"),
        (["-0"], "text"),
        (["12,5"], "text"),
        (["true", "FALSE"], "boolean"),
        (["true", "yes"], "text"),
        (["2024-02-29", "2024-01-01T10:00:00Z"], "date"),
        (["2023-02-29"], "text"),
        (["1.299,00 €", "EUR 5"], "price"),
        (["1.299,00 €", "5"], "text"),
        (["12 kr", "13 kr"], "text"),
        (["red|blue"], "text"),
        (["a > b > c"], "text"),
        ([], "text"),
    ],
)
def test_the_type_of_a_text_column(cells: list[Cell], type_: Type) -> None:
    assert guess(cells) == type_


@pytest.mark.parametrize(
    ("cells", "kind", "type_", "values"),
    [
        ([1, 2.5], "json", "number", [1, 2.5]),
        (["1", "2"], "json", "text", ["1", "2"]),
        ([1, "2", True], "json", "text", [1, "2", True]),
        ([True, False], "json", "boolean", [True, False]),
        ([["a"], ["b", " c "]], "json", "list", [["a"], ["b", "c"]]),
        ([38.0, 39.5], "xlsx", "number", [38.0, 39.5]),
        ([38.0, "M"], "xlsx", "text", ["38", "M"]),
        ([4006381333931.0], "xlsx", "text", ["4006381333931"]),
        (["00123", "7"], "xlsx", "text", ["00123", "7"]),
        ([float("nan")], "json", "number", ["nan"]),
        ([10**400], "json", "number", [str(10**400)]),
        ([4006381333931], "json", "number", [4006381333931]),
    ],
)
def test_typed_cells(cells: list[Cell], kind: Kind, type_: Type, values: list[Value]) -> None:
    assert guess(cells, kind) == type_
    assert kept(cells, kind) == values


def test_a_heading_that_promises_prices_needs_most_of_them() -> None:
    assert guess(["12,99", "on request", "5"], price=True) == "price"
    assert guess(["on request", "ask", "5"], price=True) == "text"
    assert guess([], price=True) == "price"


def test_digits_under_a_heading_of_codes_are_text() -> None:
    assert guess(["1", "2"], code=True) == "text"


@pytest.mark.parametrize(
    ("cells", "currency", "decimal"),
    [
        (["12,99 €", "5"], "EUR", ","),
        (["12,99 €", "$5.00"], None, None),
        (["12", "1.299"], None, None),
        (["12,99", "12.99 EUR"], "EUR", None),
    ],
)
def test_what_the_prices_of_a_column_share(
    cells: list[Cell], currency: str | None, decimal: str | None
) -> None:
    evidence = Evidence("csv")
    for cell in cells:
        evidence.add(cell, price=True)
    assert (evidence.currency, evidence.decimal) == (currency, decimal)


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        ("number", "00123", 123),
        ("number", "1.50", 1.5),
        ("number", "90.750", 90.75),
        ("number", "1.299,5", 1299.5),
        ("boolean", "Ja", True),
        ("boolean", "0", False),
        ("list", "red| blue", ["red", "blue"]),
        ("list", "red; blue", ["red", "blue"]),
        ("list", "red", ["red"]),
        ("price", "1.299,00 €", 1299.0),
        ("text", " 00123 ", "00123"),
    ],
)
def test_a_type_that_the_merchant_names(type_: Type, text: str, value: Value) -> None:
    taken = Reader("csv", type_, stated=True).read(text)
    assert taken is not None and taken.value == value and not taken.odd


@pytest.mark.parametrize("type_", ["number", "boolean", "price", "date"])
@pytest.mark.parametrize("stated", [True, False])
def test_a_value_of_another_type_stays_text(type_: Type, stated: bool) -> None:
    taken = Reader("csv", type_, stated=stated).read(" on request ")
    assert taken is not None and taken.value == "on request" and taken.odd


def test_a_known_number_column_still_keeps_codes() -> None:
    assert [Reader("csv", "number").read(text) for text in ("1.50", "00123")] == [
        ("1.50", None, True),
        ("00123", None, True),
    ]


@pytest.mark.parametrize(
    "code", ["4.00638E+12", "4,00638e+12", "4E+12", "1.2E15", "1234567890123450", "9" * 15 + "000"]
)
def test_codes_that_a_spreadsheet_has_cut(code: str) -> None:
    assert is_damaged(code)


@pytest.mark.parametrize(
    "code", ["", "4006381333931", "1E5", "12E4", "1.5E+05", "E+12", "123456789012345", "A-1E+12"]
)
def test_codes_that_are_whole(code: str) -> None:
    assert not is_damaged(code)


@pytest.mark.parametrize("text", ["2024-01-01", "2024-01-01 10:00", "2024-01-01T10:00:00.5+01:00"])
def test_dates(text: str) -> None:
    assert is_date(text)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        (" a ", "a"),
        (7, "7"),
        (7.0, "7"),
        (7.5, "7.5"),
        (True, "true"),
        ([" ", "b"], "b"),
    ],
)
def test_a_cell_as_text(cell: Cell, text: str) -> None:
    assert text_of(cell) == text


NUMBERS = st.one_of(
    st.integers(-(10**12), 10**14).map(str),
    st.decimals(-(10**6), 10**6, places=3, allow_nan=False).map(str),
    st.from_regex(r"-?[0-9]{1,14}(\.[0-9]{1,4})?", fullmatch=True),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(NUMBERS, st.text(max_size=20)), max_size=8))
def test_whatever_is_typed_can_be_written_again(texts: list[str]) -> None:
    cells: list[Cell] = list(texts)
    for text, value in zip(texts, kept(cells), strict=True):
        if value is None:
            assert not text.strip()
        elif isinstance(value, bool):
            assert str(value).lower() == text.strip().lower()
        elif isinstance(value, int | float) and guess(cells) == "number":
            assert format(Decimal(repr(value)), "f") == text.strip()
        elif isinstance(value, str):
            assert value == text.strip()


@settings(max_examples=150, deadline=None)
@given(NUMBERS)
def test_an_exact_number_is_written_as_it_was(text: str) -> None:
    number = exact_number(text)
    if number is not None:
        assert format(Decimal(repr(number)), "f") == text
    elif not text.startswith("-"):
        changes = format(Decimal(text).normalize(), "f") != text
        assert changes or len(text.replace(".", "")) >= 12


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.text(), st.integers(), st.floats(), st.booleans(),
                       st.lists(st.text(), max_size=3)), max_size=6),
    st.sampled_from(["csv", "xlsx", "json"]),
)  # fmt: skip
def test_no_cells_are_an_error(cells: list[Cell], kind: Kind) -> None:
    kept(cells, kind)
    guess(cells, kind, price=True)
