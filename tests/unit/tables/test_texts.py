"""Long texts: markup removed, and what is no attribute kept to search in."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visearch.records import Attributes
from visearch.rules import LONGEST_DESCRIPTION, MAX_COUNT, attributes_problem
from visearch.tables.texts import LONGEST_VALUE, are_modest, fit, plain_text


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("plain", "plain"),
        ("  a < b & c  ", "a < b & c"),
        ("<p>Soft &amp; <b>warm</b></p><p>Red</p>", "Soft & warm\nRed"),
        ("a<br/>b<!-- c -->", "a\nb"),
        ("<style>p { color: red }</style>x<script>alert(1)</script>", "x"),
        ("R&eacute;f 1 &lt; 2", "Réf 1 < 2"),
    ],
)
def test_markup_is_removed(markup: str, text: str) -> None:
    assert plain_text(markup) == text


@pytest.mark.parametrize("piece", ["<", "<a", "<script>", "&", " \n", "<p ", "</", "\n "])
def test_odd_markup_costs_no_more_than_its_length(piece: str) -> None:
    begun = time.perf_counter()
    plain_text("<" + piece * (1_000_000 // len(piece)))
    assert time.perf_counter() - begun < 5


def test_short_attributes_are_left_alone() -> None:
    attributes: Attributes = {"a": "x", "b": 1, "c": ["y"]}
    assert fit(attributes, "words") == (attributes, "words")
    assert fit({}, None) == ({}, None)


@pytest.mark.parametrize(
    ("attributes", "modest"),
    [
        ({}, True),
        ({"a": "x", "b": 1.5, "c": True, "d": ["x", "y"]}, True),
        ({"a": "x\x00"}, False),
        ({"\ud800": "x"}, False),
        ({"a": ["\x00"]}, False),
        ({"a": float("inf")}, False),
        ({"a": "x" * LONGEST_VALUE}, False),
        ({"a": ["x"] * 2000}, False),
        ({str(n): n for n in range(MAX_COUNT)}, True),
        ({str(n): n for n in range(MAX_COUNT + 1)}, False),
    ],
)
def test_most_attributes_need_no_closer_look(attributes: Attributes, modest: bool) -> None:
    assert are_modest(attributes) == modest


def test_a_long_text_goes_into_the_description() -> None:
    attributes, description = fit({"a": "x", "notes": "n" * (LONGEST_VALUE + 1)}, "words")
    assert attributes == {"a": "x"}
    assert description == "words\nnotes: " + "n" * (LONGEST_VALUE + 1)


def test_the_largest_go_first_when_all_together_are_too_large() -> None:
    texts: Attributes = {f"t{i}": str(i) * 1500 for i in range(12)}
    given_: Attributes = {"short": "s", **texts, "big": ["b" * 50] * 60}
    attributes, description = fit(given_, None)
    assert attributes_problem(attributes) is None
    assert "big" not in attributes and attributes["short"] == "s"
    assert len(attributes) == 11
    assert description is not None
    assert description.startswith("t10: 10") and "\nbig: bbb" in description


def test_what_is_after_the_most_attributes_is_searchable() -> None:
    attributes, description = fit({f"a{i}": i for i in range(MAX_COUNT + 2)}, None)
    assert list(attributes) == [f"a{i}" for i in range(MAX_COUNT)]
    assert description == f"a{MAX_COUNT}: {MAX_COUNT}\na{MAX_COUNT + 1}: {MAX_COUNT + 1}"


def test_a_description_is_cut_at_its_limit() -> None:
    _, description = fit({}, "d" * (LONGEST_DESCRIPTION + 1))
    assert description == "d" * (LONGEST_DESCRIPTION - 1) + "…"


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=30),
        st.one_of(
            st.text(max_size=40), st.integers(), st.booleans(),
            st.text(min_size=1, max_size=3).map(lambda t: t * 900),
            st.lists(st.text(max_size=9), max_size=9),
        ),
        max_size=80,
    )
)  # fmt: skip
def test_any_attributes_fit_afterwards(attributes: Attributes) -> None:
    if are_modest(attributes):
        assert attributes_problem(attributes) is None and fit(attributes, None)[0] == attributes
    problem = attributes_problem(fit(attributes, None)[0])
    assert problem is None or "is not a text" in problem  # half a surrogate pair is not mended here
