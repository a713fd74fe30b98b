"""Products made of records: together, in order, and a bad one on its own."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paper_tables import PaperTable, csv_table, export, good, reading_of, rows_of, table_of

from visearch.rules import LONGEST_TITLE, MOST_IMAGES, attributes_problem
from visearch.tables import products as module
from visearch.tables.mapping import choices_of
from visearch.tables.products import products
from visearch.tables.table import Record


def test_rows_of_one_product_are_one() -> None:
    rows = rows_of("id,image,title,a,b\n1,a.jpg,,x,\n2,b.jpg,B,,\n1,c.jpg,One,y,z\n1,a.jpg,,,\n")
    assert [(row.id, row.line) for row in rows] == [("2", 3), ("1", 2)]
    row = good(rows)["1"]
    assert (row.title, row.images, row.lines) == ("One", ("a.jpg", "c.jpg"), (2, 4))
    assert row.attributes == {"a": "x", "b": "z"}
    assert [row.line_of(place) for place in range(2)] == [2, 4]


def test_numbers_as_merchants_write_them() -> None:
    text = 'id,sku_code,image,price\n1,90.750,a.jpg,"12,99"\n2,1.10,a.jpg,"1.299,00"\n'
    rows = good(rows_of(text + "3,00123,b.jpg,12.99 EUR\n"))
    assert [row.attributes for row in rows.values()] == [
        {"sku_code": "90.750", "price": 12.99},
        {"sku_code": "1.10", "price": 1299.0},
        {"sku_code": "00123", "price": 12.99},
    ]


def test_a_currency_that_differs_is_said_by_each_product() -> None:
    rows = good(rows_of("id,image,price\n1,a.jpg,5 €\n2,b.jpg,$6\n3,c.jpg,7\n"))
    assert [row.attributes for row in rows.values()] == [
        {"price": 5, "price_currency": "EUR"},
        {"price": 6, "price_currency": "$"},
        {"price": 7},
    ]


@pytest.mark.parametrize("cut", ["4.00638E+12", "4,00638E+12", "1234567890123450"])
@pytest.mark.parametrize("between", ["", "7,c.jpg\n"])
def test_ids_that_a_spreadsheet_made_equal_are_refused(cut: str, between: str) -> None:
    rows = rows_of(f'id,image\n"{cut}",a.jpg\n{between}"{cut}",b.jpg\n00123,a.jpg\n')
    refused = [row for row in rows if row.problem]
    assert [(row.id, row.code, row.images) for row in refused] == [(cut, "id_ambiguous", ())] * 2
    assert "a spreadsheet has cut digits off" in (refused[0].problem or "")
    assert "00123" in {row.id for row in rows if not row.problem}


def test_a_cut_id_that_only_one_row_has_is_taken() -> None:
    assert list(good(rows_of("id,image\n4.00638E+12,a.jpg\n4.00639E+12,b.jpg\n"))) == [
        "4.00638E+12",
        "4.00639E+12",
    ]


@pytest.mark.parametrize(
    ("second", "refused"),
    [
        ("1,b.jpg,Blue", True),  # another title and another picture
        ("1,a.jpg,Blue", False),  # the same picture
        ("1,b.jpg, RED ", False),  # the same title
        ("1,b.jpg,", False),  # no title: more pictures
    ],
)
def test_one_id_with_two_products_is_refused(second: str, refused: bool) -> None:
    rows = rows_of(f"id,image,title\n1,a.jpg,Red\n2,c.jpg,Green\n{second}\n")
    codes = {row.id: row.code for row in rows}
    assert codes == {"1": "id_ambiguous" if refused else None, "2": None}
    assert len(rows) == (3 if refused else 2)


def test_a_bad_record_fails_alone_and_keeps_its_id() -> None:
    table = PaperTable(
        ["id", "image", "title"],
        [
            Record(2, {"id": "1", "image": "a.jpg", "title": "A"}),
            Record(3, {"id": "1", "image": "b.jpg"}, "the row has an odd quote"),
            Record(4, {"image": "c.jpg"}),
            Record(5, {"id": "5"}),
            Record(6, {"id": "6", "image": "d.jpg", "title": "x" * (LONGEST_TITLE + 1)}),
            Record(7, {"id": "7\x07", "image": "d.jpg"}),
            Record(8, {"id": "8", "image": "d.jpg", "title": "nul\x00"}),
            Record(9, {"id": "1", "image": "e.jpg"}),
        ],
    )
    rows = rows_of(table)
    assert [(row.line, row.id, (row.problem or "")[:24], row.code) for row in rows] == [
        (3, "1", "the row has an odd quote", None),
        (4, "", "the row has no id", None),
        (5, "5", "the row names no image", None),
        (6, "6", "the title has 2001 chara", None),
        (7, "7\x07", "a product id has 1 to 51", "invalid_product_id"),
        (8, "8", "the title holds a NUL or", None),
        (2, "1", "", None),
    ]
    assert rows[-1].images == ("a.jpg", "e.jpg")


def test_a_long_description_is_kept_and_is_no_attribute() -> None:
    row = good(rows_of(f"id,image,description,notes\n1,a.jpg,{'long ' * 5000},{'n' * 20_000}\n"))[
        "1"
    ]
    assert row.attributes == {}
    assert row.description is not None and row.description.startswith("long long")
    assert row.description.endswith("n" * 20_000)


def test_a_product_has_only_so_many_pictures() -> None:
    names = "|".join(f"{n}.jpg" for n in range(MOST_IMAGES + 1))
    (row,) = rows_of(f"id,image\n1,{names}\n")
    assert row.problem == "the product has 1,001 images, more than the limit of 1,000"


def test_products_far_apart_come_in_parts_when_many_are_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_OPEN", 3)
    text = "id,image,title\n" + "".join(f"{n},{n}a.jpg,T{n}\n" for n in range(5))
    text += "".join(f"{n},{n}b.jpg,\n" for n in range(1, 5)) + "0,,\n"
    rows = rows_of(text)
    assert all(row.problem is None for row in rows)  # the last record has no picture of its own
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.id, []).extend(row.images)
    assert found == {"0": ["0a.jpg"]} | {str(n): [f"{n}a.jpg", f"{n}b.jpg"] for n in range(1, 5)}


def test_a_long_run_of_records_comes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OPEN", 2)
    rows = rows_of("id,image\n" + "".join(f"1,{n}.jpg\n" for n in range(5)))
    assert [row.images for row in rows] == [("0.jpg", "1.jpg"), ("2.jpg", "3.jpg"), ("4.jpg",)]


def test_a_reading_gives_the_same_rows_again() -> None:
    reading = reading_of("id,image\n1,a.jpg\n2,b.jpg\n1,c.jpg\n")
    assert list(products(reading)) == list(products(reading))


def test_an_empty_table_has_no_products() -> None:
    assert rows_of("id,image\n") == []


CELLS = st.one_of(
    st.sampled_from(
        ["1", "id:1", "variable", "variation", "a.jpg, b.jpg", "7.50 EUR", "Size", "S"]
    ),
    st.text(max_size=8),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.lists(st.text(max_size=8), max_size=3),
    st.none(),
)


HEADINGS = {
    name: csv_table(export(name), "\t" if name.endswith("tsv") else ",").headings
    for name in (
        "google_merchant.tsv",
        "shopify_old.csv",
        "shopify_new.csv",
        "woocommerce_german.csv",
    )
}


@pytest.mark.parametrize("headings", HEADINGS.values(), ids=HEADINGS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_record_of_any_format_is_an_error(headings: list[str], data: st.DataObject) -> None:
    cells = st.dictionaries(st.sampled_from(headings), CELLS)
    found = data.draw(st.lists(cells, max_size=5))
    records = [Record(line, each) for line, each in enumerate(found, 2)]
    rows = rows_of(PaperTable(headings, records, data.draw(st.sampled_from(["csv", "json"]))))
    for row in rows:
        assert row.problem is not None or (row.id and row.images)
        assert row.problem is not None or attributes_problem(row.attributes) is None
    # Every record is part of a row, or is refused by itself.
    assert len({line for row in rows for line in (row.line, *row.lines)}) <= len(records)


RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from(["1", "2", "3", ""]),
            "image": st.sampled_from(["a.jpg", "b.jpg|c.jpg", "d.jpg", ""]),
            "title": st.sampled_from(["", "T"]),
            "note": st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=5),
        }
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(RECORDS)
def test_every_picture_of_a_product_is_kept_once(records: list[dict[str, str]]) -> None:
    rows = rows_of(table_of(*records), choices=choices_of({"title": "title"}))
    wanted: dict[str, list[str]] = {}
    for record in records:
        if record["id"]:
            names = wanted.setdefault(record["id"], [])
            names += [n for n in record["image"].split("|") if n and n not in names]
    taken = {row.id: list(row.images) for row in rows if row.problem is None}
    assert taken == {key: names for key, names in wanted.items() if names}
    assert sum(1 for row in rows if row.problem == "the row has no id") == sum(
        1 for record in records if not record["id"]
    )
    notes = {row.id: row.attributes.get("note") for row in rows if row.problem is None}
    for key in taken:
        said = [r["note"].strip() for r in records if r["id"] == key and r["note"].strip()]
        assert notes[key] == (said[0] if said else None)
