"""Headings: found below titles and comments, each named once."""

from __future__ import annotations

import pytest

from visearch.errors import TableUnreadable
from visearch.tables.heading_row import find_headings, name_headings, width
from visearch.tables.limits import MOST_COLUMNS


@pytest.mark.parametrize(
    ("rows", "place"),
    [
        ([["id", "image"], ["1", "a"]], 0),
        ([["Our products"], [], ["", " "], ["id", "image"], ["1", "a"]], 3),
        ([["Our products", "", ""], ["id", "image", "title"]], 1),
        ([["# made by X", " on Monday"], ["id", "image", "t"], ["1", "a", "b"]], 1),
        ([["#", "image"], ["1", "a"]], 0),
        ([["id"], ["1"], ["2"]], 0),
        ([["Product", None, "Media", "Money"], ["sku", "title", "image", "price"], ["1"]], 1),
        ([["Date:", 45000], ["id", "title", "image"], ["1", "t", "a"]], 1),
        ([["ACME GmbH", None, "Preisliste 2024"], [], ["Artikel-Nr.", "Bild", "Preis"]], 2),
        ([["My shop", ""], ["Exported", "2024-05-01"], ["id", "image"], ["1", "a"]], 2),
        # Only headings that say what they are move the row: a merchant can map any others.
        ([["Nr", "Datei"], ["1", "a.jpg"], ["2", "b.jpg"]], 0),
        ([["Nr", "Titel", "Datei"], ["Code", "Photo", "a.jpg"]], 0),
        ([["Seller SKU", "Main Image URL"], ["item_sku", "main_image_url"], ["1", "a"]], 1),
        ([["sku", "title", "image"], ["Code", "Photo", ""]], 0),
        ([["sku", "image"], ["1", "a.jpg"], ["id", "image"]], 0),
        ([["sku", "view"], ["1", "a.jpg"], ["id", "image"], ["2", "b.jpg"]], 0),
        # Of two rows of headings the second may explain the first.
        ([["sku", "name", "image"], ["Code", "Text", "Photo"], ["1", "Cup", "a.jpg"]], 0),
        ([["item_sku", "item_name", "main_image"], ["SKU", "Name", "Main image"]], 0),
        ([["Number", "Item no", "Photo"], ["Artikelnummer", "Titel", "Bild"]], 1),
        ([["SKU", "Title", "Image"], ["itemSku", "itemName", "mainImage"], ["1"]], 1),
        ([[], ["", None]], None),
        ([], None),
    ],
)
def test_the_row_of_headings(rows: list[list[object]], place: int | None) -> None:
    assert find_headings(rows) == place


def test_width_ends_at_the_last_value() -> None:
    assert width(["a", "", "b", " ", None]) == 3
    assert width([]) == 0
    assert width([0]) == 1


@pytest.mark.parametrize(
    ("texts", "headings"),
    [
        ([" id ", "\ufeffimage"], ["id", "image"]),
        (["a", "", "a", "", "a"], ["a", "column 2", "a (2)", "column 4", "a (3)"]),
        (["a", "a", "a (2)"], ["a", "a (3)", "a (2)"]),
        (["a\x00b", "\ufdd0"], ["a\ufffdb", "\ufffd"]),
        (["", "column 1"], ["column 1 (2)", "column 1"]),
        (
            ["gs://b/1.jpg", "", "s", "p", "c"],
            ["gs://b/1.jpg", "column 2", "s", "p", "c", "column 6", "column 7", "column 8"],
        ),
        (["gs://b/1.jpg", "x"], ["gs://b/1.jpg", "x"]),
    ],
)
def test_every_heading_is_named_once(texts: list[str], headings: list[str]) -> None:
    assert name_headings(texts) == headings


def test_many_equal_headings_take_no_longer_than_others() -> None:
    assert len(set(name_headings(["x"] * MOST_COLUMNS))) == MOST_COLUMNS


def test_too_many_columns_are_refused() -> None:
    with pytest.raises(TableUnreadable, match=r"^The table has 16,385 columns; at most 16,384 are"):
        name_headings(["x"] * (MOST_COLUMNS + 1))
