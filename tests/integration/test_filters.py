"""Attribute filters give exactly the products that a plain loop over the listing gives."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shop import PRODUCTS, find, ids
from system import System, picture

from visearch.rules import number_of

PROPERTY = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
Filter = dict[str, Any]


def _same(have: Any, wanted: Any) -> bool:
    if isinstance(have, bool) or isinstance(wanted, bool):
        return have is wanted
    if isinstance(wanted, str) and not isinstance(have, str):
        return number_of(wanted) == have
    return bool(have == wanted)


def _passes(attributes: dict[str, Any], where: Filter) -> bool:
    for field, wanted in where.items():
        if field not in attributes:
            return False
        has = attributes[field] if isinstance(attributes[field], list) else [attributes[field]]
        if isinstance(wanted, dict):
            numbers = [v for v in has if isinstance(v, int | float) and not isinstance(v, bool)]
            low, high = wanted.get("gte", float("-inf")), wanted.get("lte", float("inf"))
            if not any(low <= number <= high for number in numbers):
                return False
        else:
            any_of = wanted if isinstance(wanted, list) else [wanted]
            if not any(_same(have, one) for have in has for one in any_of):
                return False
    return True


@pytest.fixture(scope="module")
def listing(system: System, shop: str) -> dict[str, dict[str, Any]]:
    """The shop's attributes by product id, as the product list gives them."""
    page = system.http.get(f"/v1/catalogs/{shop}/products", params={"limit": 500}).json()
    assert page["next_cursor"] is None
    assert len(page["items"]) == len(PRODUCTS)
    return {product["id"]: product["attributes"] for product in page["items"]}


def _check(
    system: System, shop: str, listing: dict[str, dict[str, Any]], where: Filter
) -> set[str]:
    expected = {name for name, attributes in listing.items() if _passes(attributes, where)}
    record = find(system, shop, picture(1), filter=where, group=True, limit=100)
    assert len(ids(record)) == len(set(ids(record)))
    assert set(ids(record)) == expected
    return expected


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ({"colour": "red"}, 8),
        ({"colour": ["red", "blue"]}, 16),
        ({"sizes": "M"}, 12),
        ({"sizes": ["S", "L"]}, 18),
        ({"price": 7}, 1),
        ({"price": 7.0}, 1),
        ({"price": "7"}, 1),
        ({"price": {"gte": 7, "lte": 9}}, 3),
        ({"price": {"gte": 20.5}}, 4),
        ({"price": {"lte": 1e308}}, 24),
        ({"price": {"gte": 10**30}}, 0),
        ({"sale": True}, 6),
        ({"sale": 1}, 0),
        ({"sale": "true"}, 0),
        ({"größe": "3"}, 5),
        ({"rare \\ name": "yes"}, 1),
        ({"missing": "x"}, 0),
        ({"colour": []}, 0),
        ({}, 24),
        ({"colour": "red", "sale": False, "price": {"lte": 12}}, 3),
        ({"colour": {"gte": 1}}, 0),
        ({"'; DROP TABLE products; --": "x"}, 0),
    ],
)
def test_a_filter_is_exact(
    system: System, shop: str, listing: dict[str, dict[str, Any]], where: Filter, count: int
) -> None:
    assert len(_check(system, shop, listing, where)) == count


FACETS = ["colour", "sizes", "price", "sale", "größe", "rare \\ name", "missing"]


@pytest.mark.parametrize(
    "where", [{}, {"colour": "red"}, {"sizes": ["S", "L"]}, {"price": {"gte": 100}}]
)
def test_facets_count_the_products_that_pass(
    system: System, shop: str, listing: dict[str, dict[str, Any]], where: Filter
) -> None:
    expected: dict[str, Counter[Any]] = {field: Counter() for field in FACETS}
    for attributes in listing.values():
        if _passes(attributes, where):
            for field in attributes.keys() & expected.keys():
                has = attributes[field]
                expected[field].update(set(has) if isinstance(has, list) else [has])
    record = find(system, shop, picture(1), filter=where, facets=FACETS)
    counted = {
        field: {value["value"]: value["count"] for value in values}
        for field, values in record["facets"].items()
    }
    assert counted == expected
    for values in record["facets"].values():
        assert [v["count"] for v in values] == sorted((v["count"] for v in values), reverse=True)


def test_a_facet_no_attribute_can_have_is_refused(system: System, shop: str) -> None:
    fields = {"catalog": shop, "facets": json.dumps(['a"b'])}
    files = {"image": ("q.jpg", picture(1), "image/jpeg")}
    answer = system.http.post("/v1/searches", data=fields, files=files)
    assert answer.status_code == 422 and answer.json()["errors"][0]["pointer"] == '/filter/a"b'


_value = st.sampled_from(["red", "green", "S", "M", "3", "", 7, 8.5, 0.5, True, False, "true"])
_bounds = st.fixed_dictionaries(
    {}, optional={"gte": st.integers(-1, 25), "lte": st.floats(-1, 25)}
).filter(bool)
_where = st.dictionaries(
    st.sampled_from(["colour", "sizes", "price", "sale", "größe"]),
    _value | st.lists(_value, max_size=4) | _bounds,
    max_size=3,
)


@PROPERTY
@given(where=_where)
def test_any_filter_is_exact(
    system: System, shop: str, listing: dict[str, dict[str, Any]], where: Filter
) -> None:
    _check(system, shop, listing, where)


def test_a_filter_keeps_the_order_and_pages(system: System, shop: str) -> None:
    whole = find(system, shop, picture(4), limit=100)["results"]
    reds = [hit["image_id"] for hit in whole if hit["attributes"]["colour"] == "red"]
    paged: list[str] = []
    for offset in range(0, len(reds) + 3, 3):
        page = find(system, shop, picture(4), filter={"colour": "red"}, limit=3, offset=offset)
        paged += [hit["image_id"] for hit in page["results"]]
        assert page["total"] == len(reds)
    assert paged == reds


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ([("colour", "red")], {"colour": "red"}),
        ([("colour", "red"), ("colour", "blue")], {"colour": ["red", "blue"]}),
        ([("sizes", "M"), ("sale", "true")], {"sizes": "M", "sale": True}),
        ([("price", "7")], {"price": 7}),
        ([("price", "8.5")], {"price": 8.5}),
        ([("größe", "3")], {"größe": "3"}),
        ([("price", "1e999")], {"price": "1e999"}),
        ([("price", "NaN")], {"price": "NaN"}),
    ],
)
def test_the_product_list_takes_the_same_filters(
    system: System,
    shop: str,
    listing: dict[str, dict[str, Any]],
    query: list[tuple[str, str]],
    where: Filter,
) -> None:
    answer = system.http.get(f"/v1/catalogs/{shop}/products", params=[("limit", "500"), *query])
    assert answer.status_code == 200
    expected = sorted(name for name, has in listing.items() if _passes(has, where))
    assert [product["id"] for product in answer.json()["items"]] == expected
