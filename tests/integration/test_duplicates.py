"""Near-duplicates: pictures of different products that look the same are found by themselves."""

from __future__ import annotations

import io
from typing import Any

import httpx
from PIL import Image
from shop import add, find
from system import System, archive, eventually, picture

CATALOG = "twins"


def resaved(data: bytes) -> bytes:
    """The same picture, other bytes."""
    out = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").save(out, "JPEG", quality=70)
    return out.getvalue()


def listed(system: System, **query: Any) -> dict[str, Any]:
    answer = system.http.get(f"/v1/catalogs/{CATALOG}/duplicates", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def pairs(system: System) -> set[frozenset[str]]:
    """What the list says once everything was compared."""
    # A catalog that was slow to compare rests first.
    eventually(lambda: listed(system)["complete"], seconds=180, what="the comparison")
    items = listed(system)["items"]
    return {frozenset(side["product_id"] for side in item["products"]) for item in items}


def test_twins_are_found_until_they_are_gone(system: System) -> None:
    system.create_catalog(CATALOG)
    files = [(f"p{i}.jpg", picture(i)) for i in range(12)]
    files += [("copy3.jpg", picture(3)), ("again5.jpg", resaved(picture(5)))]
    system.finish(system.upload(CATALOG, archive(files)))
    assert pairs(system) == {frozenset({"p3", "copy3"}), frozenset({"p5", "again5"})}
    first = listed(system, limit=1)
    (best,) = first["items"]
    assert best["score"] > 0.999 and {p["product_id"] for p in best["products"]} == {"p3", "copy3"}
    assert all(system.http.get(side["image_url"]).status_code == 200 for side in best["products"])
    second = listed(system, limit=1, cursor=first["next_cursor"])
    assert {p["product_id"] for p in second["items"][0]["products"]} == {"p5", "again5"}
    assert second["next_cursor"] is None

    system.http.delete(f"/v1/catalogs/{CATALOG}/products/copy3").raise_for_status()
    system.finish(system.upload(CATALOG, archive([("third5.jpg", picture(5))])))
    trio = [frozenset(pair) for pair in (("p5", "again5"), ("p5", "third5"), ("again5", "third5"))]
    assert pairs(system) == set(trio)


def merge(system: System, catalog: str, keep: str, drop: str) -> httpx.Response:
    body = {"keep": keep, "drop": drop}
    return system.http.post(f"/v1/catalogs/{catalog}/duplicates/merge", json=body)


def test_two_products_become_one(system: System) -> None:
    catalog = system.create_catalog("merged-twins")
    add(system, catalog, "a", picture(1), title="A")
    add(system, catalog, "b", picture(1), picture(30), title="B")
    answer = merge(system, catalog, "a", "b")
    assert answer.status_code == 200, answer.text
    product = answer.json()
    assert (product["id"], product["title"], len(product["images"])) == ("a", "A", 2)
    for i in (1, 30):
        hits = find(system, catalog, picture(i))["results"]
        assert {hit["product_id"] for hit in hits} == {"a"}
        assert hits[0]["score"] > 0.99
    assert system.http.get(f"/v1/catalogs/{catalog}/products/b").status_code == 404
    described = system.http.get(f"/v1/catalogs/{catalog}").json()
    assert (described["products"], described["images"]) == (1, 2)

    for keep, drop, status in (("a", "a", 422), ("a", "b", 404), ("b", "a", 404), ("", "a", 422)):
        assert merge(system, catalog, keep, drop).status_code == status, (keep, drop)
    assert merge(system, "nowhere", "a", "b").status_code == 404
    add(system, catalog, "b", picture(2))  # a later write brings it back
    assert find(system, catalog, picture(2), limit=1)["results"][0]["product_id"] == "b"


def test_what_is_asked_is_checked(system: System) -> None:
    system.create_catalog("alone")
    for query, pointer in (({"min_score": 0.5}, "min_score"), ({"cursor": "bm8="}, "cursor")):
        answer = system.http.get("/v1/catalogs/alone/duplicates", params=query)
        assert answer.status_code == 422 and pointer in answer.text
    assert system.http.get("/v1/catalogs/nowhere/duplicates").status_code == 404
