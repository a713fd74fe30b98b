"""Google Merchant's feeds, as TSV and as XML."""

from __future__ import annotations

import pytest
from paper_tables import csv_table, export, good, reading_of, rows_of, table_of

FEED = export("google_merchant.tsv")


def test_variants_are_one_product_with_all_their_pictures() -> None:
    rows = good(rows_of(csv_table(FEED, "\t")))
    shirt = rows["G1"]
    assert shirt.title == "Shirt red" and shirt.url == "https://s/v1"
    assert shirt.description == "Soft"
    assert shirt.images == (
        "https://c/1.jpg",
        "https://c/1b.jpg",
        "https://c/1c.jpg",
        "https://c/2.jpg",
    )
    assert shirt.lines == (2, 2, 2, 4)
    assert shirt.attributes == {
        "availability": "in stock",
        "price": 12.99,
        "sale_price": 9.99,
        "brand": "Acme",
        "gtin": ["04006381333931", "04006381333948"],
        "color": ["red", "blue"],
        "size": "S",
    }
    assert rows["M1"].attributes == {
        "availability": "out of stock",
        "price": 5.0,
        "brand": "Acme",
    }


def test_what_the_feed_says_of_itself() -> None:
    reading = reading_of(csv_table(FEED, "\t"))
    assert reading.format.name == "google_merchant"
    price = next(each for each in reading.mapping.columns if each.column == "price")
    assert (price.field, price.type, price.currency) == ("price", "price", "EUR")


def test_elements_of_xml() -> None:
    table = table_of(
        {
            "title": "Page title",
            "g:title": "Cup",
            "g:id": "C1",
            "link": "https://s/c",
            "g:image_link": "https://c/c.jpg",
            "g:additional_image_link": ["https://c/d.jpg", "https://c/e.jpg"],
            "g:price": "1299 JPY",
            "g:shipping.g:price": "0 JPY",
            "g:custom_label_0": "winter clearance",
            "g:cost_of_goods_sold": "7 JPY",
        },
        {
            "g:title": "Pen",
            "g:id": "P1",
            "g:image_link": "https://c/p.jpg",
            "g:price": "3.50 USD",
        },
        kind="xml",
    )
    assert reading_of(table).format.name == "google_merchant"
    rows = good(rows_of(table))
    cup = rows["C1"]
    assert (cup.title, cup.url) == ("Cup", "https://s/c")
    assert cup.images == ("https://c/c.jpg", "https://c/d.jpg", "https://c/e.jpg")
    assert cup.attributes == {"price": 1299, "price_currency": "JPY", "shipping.price": 0}
    assert rows["P1"].attributes == {"price": 3.5, "price_currency": "USD"}


def test_entries_of_atom() -> None:
    entry = {
        "title": "Red",
        "link.@href": "https://s/p",
        "link.@rel": "alternate",
        "summary": "Soft",
        "g:id": "1",
        "g:image_link": "https://c/1.jpg",
    }
    [row] = rows_of(table_of(entry, kind="xml"))
    assert (row.id, row.title, row.url, row.description) == ("1", "Red", "https://s/p", "Soft")
    assert row.attributes == {}
    [row] = rows_of(table_of(entry | {"g:link": "https://s/g"}, kind="xml"))
    assert (row.url, row.attributes) == ("https://s/g", {})


@pytest.mark.parametrize(
    ("headings", "name"),
    [
        ("id,title,link,image_link,price", "google_merchant"),
        ("g:id,g:image_link", "google_merchant"),
        ("ID,Image Link,Availability,Brand", "google_merchant"),
        ("id,image_link,colour", "plain"),
        ("id,image,price,brand", "plain"),
    ],
)
def test_a_feed_is_known_by_its_headings(headings: str, name: str) -> None:
    assert reading_of(f"{headings}\n").format.name == name


def test_variants_without_a_picture_of_their_own_are_no_failure() -> None:
    text = "id,image_link,price,item_group_id,size\n1,a.jpg,5 EUR,G,S\n2,,5 EUR,G,M\n"
    assert good(rows_of(text))["G"].attributes == {"price": 5, "size": ["S", "M"]}


def test_pictures_without_a_scheme_or_in_a_list() -> None:
    head = "id\ttitle\tlink\timage_link\tadditional_image_link\n"
    row = 'C1\tCup\thttps://s/c\t//cdn.example/c.jpg\t["https://c/d.jpg", "https://c/e.jpg"]\n'
    rows = good(rows_of(csv_table(head + row, "\t")))
    assert rows["C1"].images == (
        "https://cdn.example/c.jpg",
        "https://c/d.jpg",
        "https://c/e.jpg",
    )
