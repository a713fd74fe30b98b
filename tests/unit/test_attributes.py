"""What a text of a CSV file stands for, and how much a product may carry."""

from __future__ import annotations

import pytest

from visearch.attributes import MAX_BYTES, MAX_COUNT, number_of, problem_of


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12),
        ("-3", -3),
        ("0", 0),
        ("12.50", 12.5),
        ("0.1", 0.1),
        ("999999999999999", 10**15 - 1),
    ],
)
def test_quantities_are_numbers(text: str, number: float) -> None:
    assert number_of(text) == number
    assert type(number_of(text)) is type(number)


@pytest.mark.parametrize(
    "text",
    ["", "007", "+1", "1e3", "1,5", "1.", ".5", "٣", "NaN", "1 2", "4006381333931123", "0x1"],
)
def test_codes_and_words_stay_texts(text: str) -> None:
    assert number_of(text) is None


def test_attributes_have_a_limit() -> None:
    assert problem_of({f"a{i}": 1 for i in range(MAX_COUNT)}) is None
    assert "at most" in (problem_of({f"a{i}": 1 for i in range(MAX_COUNT + 1)}) or "")
    assert problem_of({"a": "x" * (MAX_BYTES - 10)}) is None
    assert "bytes" in (problem_of({"a": "x" * MAX_BYTES}) or "")
    assert "bytes" in (problem_of({"a": ["x"] * MAX_BYTES}) or "")
