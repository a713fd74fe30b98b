"""Columns that tell fates: taken off a table that comes back, with what was made safe undone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paper_tables import PaperTable, csv_table, reading_of, rows_of

from visearch.tables.fates import FATES, safe, without_fates
from visearch.tables.table import Record

TEXTS = st.text(st.sampled_from("'=+-@\t\rab1.,|"), max_size=6)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@name", "'@name"),
        ("-dash", "'-dash"),
        ("-5", "-5"),
        ("+12,50", "+12,50"),
        ("-1+2", "'-1+2"),
        ("plain", "plain"),
        ("'=1", "''=1"),
        ("", ""),
    ],
)
def test_a_cell_that_looks_like_a_formula_gets_an_apostrophe(text: str, cell: str) -> None:
    assert safe(text) == cell


@given(text=TEXTS, heading=TEXTS)
def test_what_was_made_safe_comes_back_as_it_was(text: str, heading: str) -> None:
    names = ["id", f"{heading}x"]
    headings = [*map(safe, names), *FATES]
    cells = dict.fromkeys(headings, safe(text))
    again = without_fates(PaperTable(headings, [Record(2, cells)]))
    assert again.headings == names
    (record,) = again.records()
    assert record == Record(2, dict.fromkeys(names, text))


@pytest.mark.parametrize(
    "headings",
    ["id,image,fate", "id,image,code,fate,reason", "id,image,fate,code,why", "id,image,Fate,code"],
)
def test_a_merchant_s_own_columns_are_none_of_ours(headings: str) -> None:
    table = csv_table(headings)
    assert without_fates(table) is table


def test_they_are_no_attributes_and_not_the_id() -> None:
    told = "failed,picture_missing,gone"
    (row,) = rows_of(f"Artikelnummer,Bild,fate,code,reason,Farbe\n7,a.jpg,{told},'-rot\n")
    assert (row.id, row.images, row.attributes) == ("7", ("a.jpg",), {"Farbe": "-rot"})
    (row,) = rows_of(f"id,Bild,code,fate,code (2),reason\n7,a.jpg,c7,{told}\n")
    assert (row.id, row.attributes) == ("7", {"code": "c7"})


def test_fates_do_not_pile_up() -> None:
    table = csv_table("id,image,fate,code,reason\na,a.jpg,failed,x,y\n")
    assert reading_of(table).table.headings == ["id", "image"]
