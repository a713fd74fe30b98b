"""Nesting: which lists of a document hold products, and when it is refused instead of guessed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from table_files import opened

from visearch.errors import TableUnreadable, VisearchError
from visearch.tables.limits import LONGEST_NAME
from visearch.tables.nesting import Lists
from visearch.tables.outline import Outline
from visearch.tables.products import products, read


def product(number: int, **more: Any) -> dict[str, Any]:
    name = f"00{number}"
    return {"id": name, "title": f"T{number}", "image": f"https://s.example/{name}.jpg", **more}


ONE, TWO, THREE = (product(number) for number in (1, 2, 3))
UNNAMED = [{"name": "Shirts", "products": [ONE, TWO]}, {"name": "Shoes", "products": [THREE]}]
SRC = [{"src": "https://s.example/1.jpg", "id": 5}, {"src": "https://s.example/2.jpg", "id": 6}]
INNER = [product(7), product(8)]
FILES = [{"id": 7, "url": "https://s.example/7.jpg"}]
PLAIN_ONE, PLAIN_TWO = ({"id": f"00{n}", "title": "x"} for n in (1, 2))
TREE = [{"name": "A", "children": [{"name": "B", "products": [ONE]}], "products": []}]


def written(document: Any) -> list[str]:
    """Return a document as programs write it: on one line, and on many."""
    return [json.dumps(document), json.dumps(document, indent=1), json.dumps(document, indent="\t")]


def outcome(text: str, name: str = "products.json") -> object:
    """Return what is read of a file, or the error."""
    try:
        table = opened(text, name)
        return [(row.id, row.title, row.images, row.attributes) for row in products(read(table))]
    except VisearchError as error:
        return error.code, error.detail


def ids(text: str) -> list[str]:
    return [row.id for row in products(read(opened(text, "products.json")))]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        # Groups are no products.
        ({"categories": UNNAMED}, ["001", "002", "003"]),
        (UNNAMED, ["001", "002", "003"]),
        ({"categories": [product(9, products=[ONE, TWO]), {"products": [THREE]}]}, "001 002 003"),
        ({"groups": [{"id": "g", "items": [ONE]}, {"items": [TWO]}]}, "001 002"),
        ({"kategorien": [{"name": "x", "artikel": [ONE, TWO]}]}, "001 002"),
        ([{"vendor": "x", "goods": [ONE]}, {"vendor": "y", "goods": [TWO]}], "001 002"),
        ({"categories": [{"id": 1, "subcategories": [{"id": 2, "products": [ONE]}]}]}, "001"),
        ({"categories": [{"subcategories": [{"products": [ONE]}], "products": [TWO]}]}, "001 002"),
        ({"categories": [{"products": [ONE, TWO]}, {"products": THREE}]}, "001 002 003"),
        ({"categories": [{"products": None}, {"products": ""}, {"products": [ONE]}]}, "001"),
        ({"men": {"products": [ONE]}, "women": {"products": [TWO]}}, "001 002"),
        ([*TREE, {"name": "C", "products": [TWO]}], "001 002"),
        ({"categories": [{"products": [TWO], "children": [{"products": [ONE]}]}]}, "002 001"),
        ({"categories": [{"name": "x", "sizes": [{"size": "M", "products": [ONE]}]}]}, "001"),
        # Pictures with ids belong to a product, however they are called.
        *(
            ([PLAIN_ONE | {name: FILES}, PLAIN_TWO | {name: FILES}], "001 002")
            for name in (
                "productImages",
                "imageList",
                "images2",
                "Produktbilder",
                "media_gallery_entries",
                "assets",
                "attachments",
                "colorways",
                "models",
            )
        ),
        ([PLAIN_ONE | {"images2": {"data": FILES}}], "001"),
        ([PLAIN_ONE | {"image": "", "models": FILES}, ONE], "001"),
        (PLAIN_ONE | {"productImages": FILES}, "001"),
        ({"groups": [{"id": 1, "name": "x", "items": [PLAIN_ONE | {"assets": FILES}]}]}, "001"),
        # What belongs to a product is none.
        ({"products": [product(1, variants=INNER, offers=INNER, images=SRC), TWO]}, "001 002"),
        ([product(1, variants=INNER, offers=INNER), TWO], "001 002"),
        ([product(1, related=INNER, upsells=INNER, accessories=INNER)], "001"),
        ({"products": [product(1, items=INNER)]}, "001"),
        ([product(1, colorways=INNER), TWO], "001 002"),
        ([{"id": "001", "title": "x", "offers": INNER}], "001"),
        ({"products": [{"id": "001", "title": "x", "colorways": INNER}]}, "001"),
        ({"rows": [product(1, items=INNER), TWO]}, "001 002"),
        ([{"productId": "001", "productName": "x", "items": [{"itemId": 5, "image": "a"}]}], "001"),
        # A document is a product, or says something of its products.
        (ONE, "001"),
        (product(1, images=SRC, variants=INNER, specs=[{"name": "a", "value": "b"}]), "001"),
        ({"product": {"id": "001", "title": "Red", "images": SRC}}, "001"),
        ({"id": "export-1", "products": [ONE, TWO]}, "001 002"),
        ({"id": "export-1", "image": "logo.png", "products": [ONE, TWO]}, "001 002"),
        ({"id": "export-1", "logo": "logo.png", "items": [ONE, TWO]}, "001 002"),
        ({"shop": {"id": 1, "name": "x"}, "items": [ONE, TWO]}, "001 002"),
        # What only refers to products is none.
        ({"products": [ONE], "deleted": {"products": [{"id": "7"}]}}, "001"),
        ({"categories": [{"products": [ONE], "banners": [{"id": 1, "image": "x.jpg"}]}]}, "001"),
        # One list is that of the products by what it holds, or by its name.
        ({"data": [ONE, TWO], "links": [{"rel": "next", "href": "u"}]}, "001 002"),
        ({"results": [ONE], "facets": [{"id": 1}]}, "001"),
        ({"productList": [ONE], "categories": [{"id": 1, "name": "x"}]}, "001"),
        ({"shirts": [ONE], "shops": [{"id": 1, "name": "x", "logo": "x.png"}]}, "001"),
        ({"products": [ONE], "brands": [{"id": 1, "image": "x.png"}]}, "001"),
        # An object by ids is a list.
        (
            {"001": {"title": "A", "image": "a.jpg"}, "a2": {"title": "B", "image": "b.jpg"}},
            "001 a2",
        ),
        ({"products": {n: {"name": n, "images": SRC} for n in ("x1", "x2")}}, "x1 x2"),
        ({"0": ONE, "1": TWO}, "001 002"),
        ({"red": ONE, "blue": TWO}, "001 002"),
    ],
)
def test_the_products_of_a_document(document: Any, expected: str | list[str]) -> None:
    wanted = expected.split() if isinstance(expected, str) else expected
    for text in written(document):
        assert ids(text) == wanted


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([product(1, products=INNER)], "outermost objects, or 'products' inside of them"),
        ([product(1, items=INNER)], "outermost objects, or 'items' inside"),
        (product(1, items=INNER), "outermost objects, or 'items' inside"),
        ([{"id": 1, "title": "x", "colorways": INNER}], "or 'colorways' inside of them. Send one"),
        ({"id": 1, "title": "x", "colorways": INNER}, "or 'colorways' inside of them. Send one"),
        (PLAIN_ONE | {"colorways": FILES}, "or 'colorways' inside of them. Send one"),
        ({"id": "export-1", "artPhotos": FILES}, "or 'artPhotos' inside of them. Send one"),
        ([{"brand": "x", "sizes": [{"products": [ONE]}]}], "or 'sizes.products' inside of them"),
        ({"x": [product(1, products=INNER)]}, "'x', or 'x.products' inside of them"),
        # Other lists in the groups would be lost.
        ({"sections": [{"items": [ONE], "newArrivals": [TWO]}]}, "several lists of objects ('sec"),
        ([{"products": [ONE], "outlet": [TWO]}], "several lists of objects ('products', 'outlet')"),
        # Files of a product whose id has an unknown name are no products.
        ([{"nr": "S1", "name": "x", "assets": FILES}], "hold the product's id"),
        ([{"nr": "S1", "name": "x", "files": FILES}], "hold the product's id"),
        ({"export": [{"nr": "S1", "name": "x", "files": FILES}]}, "hold the product's id"),
        ({"products": [{"title": "x", "items": INNER}]}, "'products', or 'products.items'"),
        ({"products": [ONE], "items": [TWO]}, "several lists of objects ('products', 'items')"),
        ({"shirts": [ONE], "shoes": [TWO]}, "several lists of objects ('shirts', 'shoes')"),
        ({"a": {"items": [{"x": 1}]}, "b": {"items": [{"x": 1}]}}, "several lists of objects"),
        ({"0": {"title": "A", "image": "a.jpg"}, "1": {"title": "B", "image": "b.jpg"}}, "column"),
        ({"main": {"title": "A", "image": "a.jpg"}, "x": {"title": "B", "image": "b"}}, "column"),
    ],
)
def test_what_is_not_clear_is_refused(document: Any, words: str) -> None:
    for text in written(document):
        found = outcome(text)
        assert isinstance(found, tuple) and words in found[1] and found[1].endswith(".")


def test_products_have_what_is_said_of_their_groups() -> None:
    document = {
        "categories": [
            {"id": 7, "name": "Shirts", "tags": ["a"], "products": [ONE]},
            {"products": [product(2, categories={"name": "own"})], "name": "Shoes"},
        ]
    }
    rows = {row.id: row for row in products(read(opened(json.dumps(document))))}
    assert rows["001"].attributes == {"categories.id": 7, "categories.name": "Shirts"}
    assert rows["002"].attributes == {"categories.name": "own"}


def test_a_group_is_never_an_id_or_a_picture_of_its_products() -> None:
    document = {"group": [{"id": "g", "data": "x", "items": [ONE, TWO]}]}
    assert ids(json.dumps(document)) == ["001", "002"]
    [row] = products(read(opened(json.dumps({"data": [{"image": "c.jpg", "products": [ONE]}]}))))
    assert row.images == (ONE["image"],) and row.attributes == {}


def test_a_group_that_is_no_object_fails() -> None:
    document = [{"products": [ONE]}, "broken", {"products": ["broken", TWO]}, {"products": 7}]
    rows = list(products(read(opened(json.dumps(document)))))
    assert [row.id for row in rows if row.id] == ["001", "002"]
    assert [row.problem for row in rows if not row.id] == ["it is not a JSON object"] * 3


def test_what_is_left_out_is_said() -> None:
    document = {"men": {"products": [ONE]}, "women": {"products": [TWO]}, "shops": [{"id": 1}]}
    notes = opened(json.dumps(document)).description.notes
    assert notes == ("The list 'men.products, women.products' is read; left out: shops.",)
    assert opened(json.dumps(UNNAMED)).description.notes == ()


def test_what_is_left_out_beside_products_and_in_groups_is_said() -> None:
    beside = {"items": [ONE], "newArrivals": [TWO]}
    left = {"products": [ONE], "deleted": {"products": [{"id": "7"}]}}
    said = [opened(json.dumps(each)).description.notes for each in (beside, left)]
    assert said == [
        ("The list 'items' is read; left out: newArrivals.",),
        ("The list 'products' is read; left out: deleted.products.",),
    ]


def test_a_group_says_at_most_a_hundred_values() -> None:
    group = {f"k{n}": n for n in range(500)}
    document = [{**group, "products": [product(n) for n in range(20)]}]
    records = list(opened(json.dumps(document)).records())
    said = {f"group.k{n}": n for n in range(100)}
    assert all({**said, **record.cells} == record.cells for record in records)
    assert {len(record.cells) for record in records} == {103}


def test_groups_on_lines_of_their_own() -> None:
    assert ids("\n".join(map(json.dumps, UNNAMED))) == ["001", "002", "003"]
    with pytest.raises(TableUnreadable, match="not clear"):
        ids("\n".join(json.dumps(product(n, products=INNER)) for n in (1, 2)))


WORDS = (
    "id sku title name image images src products product items categories variants offers data "
    "results shop 001 a2 x"
)
NAMES = st.sampled_from(WORDS.split())
PLAIN = st.sampled_from([{}, "1", "002", "a.jpg", "https://s.example/1.jpg", "", 7, None, True, []])
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.dictionaries(NAMES, inner, max_size=4) | st.lists(inner, max_size=3),
    max_leaves=20,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=5)


@settings(max_examples=300, deadline=None)
@given(document=OBJECTS | st.lists(OBJECTS, max_size=3))
def test_one_line_and_many_read_alike(document: Any) -> None:
    first, *others = [outcome(text) for text in written(document)]
    assert others == [first, first]


LISTS = st.sampled_from(["products", "product", "items", "item", "goods", "articles", "data"])
GROUPS = st.sampled_from(
    ["categories", "category", "group", "departments", "sections", "x", "shop"]
)
SAID = st.sampled_from([{}, {"name": "N"}, {"id": "G", "name": "N"}, {"title": "N", "code": "x"}])
Tree = tuple[str, list[dict[str, Any]]]


@st.composite
def grouped(draw: st.DrawFn, name: str, depth: int = 0) -> Tree:
    """Draw a list of products, or of groups of such lists, and its name."""
    if depth == 3 or draw(st.booleans()):
        return name, [product(0)] * draw(st.integers(1, 3))
    said, inner = draw(SAID), draw(st.lists(grouped(name, depth + 1), min_size=1, max_size=3))
    return draw(GROUPS), [{**said, key: values} for key, values in inner]


def numbered(values: list[dict[str, Any]], numbers: Iterator[int]) -> Iterator[dict[str, Any]]:
    """Yield what is in a list, with ids of which no two are the same."""
    for value in values:
        number = next(numbers)
        if "image" in value:
            yield product(number)
            continue
        lists = {k: list(numbered(v, numbers)) for k, v in value.items() if isinstance(v, list)}
        yield {**value, **({"id": f"G{number}"} if "id" in value else {}), **lists}


def as_xml(name: str, values: list[dict[str, Any]]) -> str:
    inner = (
        "".join(as_xml(k, v) if isinstance(v, list) else f"<{k}>{v}</{k}>" for k, v in each.items())
        for each in values
    )
    return "".join(f"<{name}>{each}</{name}>" for each in inner)


@settings(max_examples=200, deadline=None)
@given(tree=LISTS.flatmap(grouped), as_list=st.booleans())
def test_no_product_vanishes_unseen(tree: Tree, as_list: bool) -> None:
    """Each is read with its own picture, or something is said."""
    name, values = tree
    values = list(numbered(values, count(1)))
    text = json.dumps(values if as_list else {name: values})
    wanted = re.findall(r'"id": "(00\d+)"', text)
    for each in (text, f"<root>{as_xml(name, values)}</root>"):
        try:
            rows = list(products(read(opened(each, "products"))))
        except VisearchError:
            continue
        assert [row.id for row in rows] == wanted or any(row.problem for row in rows)
        assert all(len(row.images) == 1 for row in rows if not row.problem)


@pytest.mark.parametrize("depth", [11, 12, 13, 14, 50])
def test_what_is_deep_inside_reads_alike(depth: int) -> None:
    document: Any = {"products": [ONE, TWO]}
    for _ in range(depth):
        document = {"x": document, "y": [{"z": 1}]}
    first, *others = [outcome(text) for text in written(document)]
    assert others == [first, first]


def test_an_object_of_very_many_products() -> None:
    document = {f"p{n}": {"title": "x", "image": f"{n}.jpg", "t": "x"} for n in range(20_000)}
    assert ids(json.dumps(document)) == list(document)


def test_a_hostile_document_is_outlined_in_little_room() -> None:
    outline = Outline()
    outline.add(outline.top, {f"k{n}": [{f"k{n}": 1}] for n in range(30_000)})
    outline.add(outline.top, {"x" * (LONGEST_NAME + 1): 1, "y" * (LONGEST_NAME + 1): {"a": 1}})
    assert len(outline.top.below) <= 10_001 and not outline.top.leaves
    assert len(Lists(outline.top, single=True).products()) == len(outline.top.below)
