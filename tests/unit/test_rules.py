"""What a text of a CSV file stands for, and what a product may be."""

from __future__ import annotations

from typing import Any

import pytest

from visearch.rules import (
    LONGEST_DESCRIPTION,
    LONGEST_ID,
    LONGEST_TITLE,
    LONGEST_URL,
    MAX_BYTES,
    MAX_COUNT,
    attributes_problem,
    id_problem,
    number_of,
    product_problem,
)


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
    assert attributes_problem({f"a{i}": 1 for i in range(MAX_COUNT)}) is None
    assert "at most" in (attributes_problem({f"a{i}": 1 for i in range(MAX_COUNT + 1)}) or "")
    assert attributes_problem({"a": "x" * (MAX_BYTES - 10)}) is None
    assert "bytes" in (attributes_problem({"a": "x" * MAX_BYTES}) or "")
    assert "bytes" in (attributes_problem({"a": ["x"] * MAX_BYTES}) or "")


@pytest.mark.parametrize("product_id", ["a", "größe 42", "日本/靴", "a" * LONGEST_ID, "-", "a//b"])
def test_an_id_is_any_printable_text(product_id: str) -> None:
    assert id_problem(product_id) is None


def test_other_ids_are_refused() -> None:
    for product_id in ("", "a" * (LONGEST_ID + 1), "a\0b", "a\nb", "a\x9fb", "\ufffd", "\ud800"):
        assert "printable" in (id_problem(product_id) or ""), ascii(product_id)


@pytest.mark.parametrize(
    ("product", "pointer"),
    [
        ({"product_id": ""}, "/id"),
        ({"title": "x" * (LONGEST_TITLE + 1)}, "/title"),
        ({"title": "a\0b"}, "/title"),
        ({"url": "x" * (LONGEST_URL + 1)}, "/url"),
        ({"url": "\ud800"}, "/url"),
        ({"description": "x" * (LONGEST_DESCRIPTION + 1)}, "/description"),
        ({"description": "a\0b"}, "/description"),
        ({"attributes": {"a": float("nan")}}, "/attributes"),
        ({"attributes": {"a": 10**400}}, "/attributes"),
        ({"attributes": {"a": None}}, "/attributes"),
        ({"attributes": {"a": [1]}}, "/attributes"),
        ({"attributes": {"a": ["\0"]}}, "/attributes"),
        ({"attributes": {"\0": "a"}}, "/attributes"),
        ({"attributes": {1: "a"}}, "/attributes"),
    ],
)
def test_a_product_s_problem_names_its_place(product: dict[str, Any], pointer: str) -> None:
    whole = {"product_id": "a", "title": "t", "url": "u", "attributes": {"a": [], "b": True}}
    assert product_problem(**whole) is None
    found = product_problem(**{**whole, **product})
    assert found is not None and found[0] == pointer
    assert found[1][0].isupper() and found[1].endswith(".")
