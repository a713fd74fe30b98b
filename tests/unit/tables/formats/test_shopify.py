"""Shopify's product CSV, old headings and new ones."""

from __future__ import annotations

import pytest
from paper_tables import export, good, reading_of, rows_of

OLD = export("shopify_old.csv")
NEW = export("shopify_new.csv")


def test_rows_of_a_handle_are_one_product() -> None:
    rows = good(rows_of(OLD))
    shirt = rows["red-shirt"]
    assert (shirt.title, shirt.description) == ("Red shirt", "Soft")
    assert shirt.images == ("img/b.jpg", "img/a.jpg", "img/c.jpg", "img/v.jpg")
    assert shirt.lines == (3, 2, 4, 2)
    assert shirt.attributes == {
        "Vendor": "Acme",
        "Type": "Shirts",
        "Tags": "cotton, summer",
        "Published": True,
        "price": 12.5,
        "Variant Compare At Price": 15.0,
        "Status": "active",
        "Size": ["S", "M", "L"],
        "Colour": "Red",
        "sku": ["RS-S", "RS-M", "RS-L"],
        "barcode": ["0401", "0402", "0403"],
    }


def test_the_only_variant_has_no_option() -> None:
    assert good(rows_of(OLD))["mug"].attributes == {
        "Vendor": "Acme",
        "Type": "Mugs",
        "Published": False,
        "price": 5,
        "Status": "draft",
        "sku": "MUG",
    }


def test_the_new_headings() -> None:
    cup = good(rows_of(NEW))["cup"]
    assert (cup.title, cup.description) == ("Cup", "Blue cup")
    assert cup.images == ("https://c/1.jpg", "https://c/2.jpg")
    assert cup.attributes == {
        "Vendor": "Acme",
        "Published on online store": True,
        "Status": "Active",
        "price": 9.0,
        "Weight value (grams)": 250,
        "Colour": ["Blue", "Green"],
        "sku": ["CUP-1", "CUP-2"],
    }


@pytest.mark.parametrize("text", [OLD, NEW])
def test_what_a_product_costs_the_shop_is_not_published(text: str) -> None:
    fields = {each.column: each.field for each in reading_of(text).mapping.columns}
    assert fields["Cost per item"] == "ignore"
    assert all("cost" not in name.lower() for row in rows_of(text) for name in row.attributes)


def test_the_name_of_an_option_is_its_own_product_s() -> None:
    head = "Handle,Title,Option1 Name,Option1 Value,Image Src\n"
    rows = good(rows_of(f"{head}a,A,Size,S,a.jpg\na,,,M,\nb,B,,Red,b.jpg\n"))
    assert rows["a"].attributes == {"Size": ["S", "M"]} and rows["b"].attributes == {}


@pytest.mark.parametrize(
    "rows", ["a,,,M,\na,A,Size,S,a.jpg\nb,B,,,b.jpg\n", "a,A,Size,S,a.jpg\nb,B,,,b.jpg\na,,,M,\n"]
)
def test_rows_in_another_order_keep_their_options(rows: str) -> None:
    found = good(rows_of(f"Handle,Title,Option1 Name,Option1 Value,Image Src\n{rows}"))
    sizes = found["a"].attributes["Size"]
    assert isinstance(sizes, list) and set(sizes) == {"S", "M"}


def test_the_apostrophe_before_a_code_is_no_part_of_it() -> None:
    head = "Handle,Title,Variant SKU,Variant Barcode,Image Src\n"
    rows = good(rows_of(f"{head}a,A,'00123,'4006381333931,a.jpg\nb,B,'S1,,b.jpg\n"))
    assert rows["a"].attributes == {"sku": "00123", "barcode": "4006381333931"}
    assert rows["b"].attributes == {"sku": "'S1"}


def test_a_product_without_any_picture_fails_alone() -> None:
    rows = rows_of("Handle,Title,Image Src\na,A,\na,,\nb,B,b.jpg\n")
    assert [(row.line, row.id, row.problem) for row in rows] == [
        (2, "a", "the row names no image"),
        (4, "b", None),
    ]


def test_a_handle_that_comes_back_later_is_the_same_product() -> None:
    text = "Handle,Title,Option1 Name,Option1 Value,Image Src,Image Position\n"
    text += "a,A,Size,S,2.jpg,2\nb,B,,,b.jpg,1\na,,,,1.jpg,1\n"
    rows = rows_of(text)
    assert [row.id for row in rows] == ["b", "a"]
    assert good(rows)["a"].images == ("1.jpg", "2.jpg")
