"""Outlines: what is known of a document's objects, in room that no document can make large."""

from __future__ import annotations

import json
from typing import Any

import pytest
from table_files import opened, read

from visearch.errors import TableUnreadable
from visearch.tables.outline import Outline

MANY = [f"A{n}" for n in range(12_000)]
PRODUCTS = [{"id": f"p{n}", "title": "x", "image": f"{n}.jpg"} for n in range(3)]
STOCK = {name: {"qty": 1, "at": {"wh": 2}} for name in MANY}


@pytest.mark.parametrize(
    "document",
    [
        {"stock": STOCK, "products": PRODUCTS},
        [{"name": "x", "stock": STOCK, "products": PRODUCTS}],
        {"x": {"stock": STOCK}, "shop": {"products": PRODUCTS}},
    ],
)
def test_products_are_seen_after_an_object_of_very_many_others(document: Any) -> None:
    for indent in (None, 1):
        records = read(json.dumps(document, indent=indent))
        assert [record.cells["id"] for record in records] == ["p0", "p1", "p2"]


def test_products_in_very_many_departments() -> None:
    shops = {name: {"products": [PRODUCTS[0] | {"id": name}]} for name in MANY[:600]}
    for document in (shops, [{"shops": shops}]):
        assert [record.cells["id"] for record in read(json.dumps(document))] == MANY[:600]


def test_too_many_lists_are_refused() -> None:
    lists = {name: [{"qty": 1}] for name in MANY}
    for document in ({"stock": lists, "products": PRODUCTS}, {"x": [{"y": lists}]}):
        with pytest.raises(TableUnreadable, match="more than 10,000 kinds of objects"):
            opened(json.dumps(document))


def test_a_later_picture_counts() -> None:
    outline = Outline()
    for value in ("", "a.jpg", "b"):
        outline.add(outline.top, {"file": value})
    assert outline.top.leaves == {"file": True}
