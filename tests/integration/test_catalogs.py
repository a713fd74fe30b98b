"""Catalogs over HTTP: create, describe, conflict, list, delete, create anew."""

from __future__ import annotations

import pytest
from shop import SHOP, add, b64, find, post_search
from system import System, picture


def test_create_describe_and_conflict(system: System) -> None:
    made = system.http.put("/v1/catalogs/shoes", json={"title": "Shoes"})
    assert made.status_code == 201
    assert made.headers["Location"] == "/v1/catalogs/shoes"
    catalog = made.json()
    assert (catalog["name"], catalog["title"], catalog["metric"]) == ("shoes", "Shoes", "cosine")
    assert (catalog["products"], catalog["images"]) == (0, 0)

    again = system.http.put("/v1/catalogs/shoes", json={"title": "Boots", "metric": "cosine"})
    assert (again.status_code, again.json()) == (200, {**catalog, "title": "Boots"})
    same = system.http.put("/v1/catalogs/shoes", json={})
    assert same.json() == again.json() == system.http.get("/v1/catalogs/shoes").json()
    for change in ({"metric": "euclidean"}, {"encoder": "bundled-2"}):
        conflict = system.http.put("/v1/catalogs/shoes", json={"title": "No", **change})
        assert (conflict.status_code, conflict.json()["code"]) == (409, "conflict")
    assert system.http.get("/v1/catalogs/shoes").json()["title"] == "Boots"
    nothing = system.http.post("/v1/catalogs/shoes/index/rollback")
    assert (nothing.status_code, nothing.json()["code"]) == (409, "conflict")
    assert "no former index" in nothing.json()["detail"]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("Shoes", {}),
        ("-shoes", {}),
        ("sch%C3%B6n", {}),
        ("a" * 64, {}),
        ("a.b", {}),
        ("a%0A", {}),
        ("fine", {"metric": "manhattan"}),
        ("fine", {"colour": "red"}),
        ("fine", {"encoder": "no-such-encoder"}),
        ("fine", {"title": "x" * 201}),
        ("fine", []),
    ],
)
def test_what_is_no_catalog_is_refused(system: System, name: str, body: object) -> None:
    answer = system.http.put(f"/v1/catalogs/{name}", json=body)
    assert answer.status_code in (404, 422), answer.text
    assert system.http.get(f"/v1/catalogs/{name}").status_code == 404


def test_the_longest_name_is_fine(system: System) -> None:
    name = "0" + "a_-" * 20 + "zz"
    assert len(name) == 63
    assert system.http.put(f"/v1/catalogs/{name}", json={}).status_code == 201


def test_the_list_goes_by_name_in_pages(system: System) -> None:
    names = {system.create_catalog(f"list-{i}") for i in range(5)}
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = system.http.get("/v1/catalogs", params=params).json()
        assert len(page["items"]) <= 2
        seen += [catalog["name"] for catalog in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == sorted(set(seen))
    assert names <= set(seen)
    assert system.http.get("/v1/catalogs", params={"limit": 0}).status_code == 422


def test_a_deleted_catalog_is_gone_and_its_name_is_free(system: System) -> None:
    name = system.create_catalog("fleeting", title="First", metric="euclidean")
    record = add(system, name, "a", picture(1))
    assert system.http.get(f"/v1/catalogs/{name}").json()["images"] == 1
    assert system.http.delete(f"/v1/catalogs/{name}").status_code == 204
    below = f"/v1/catalogs/{name}"
    for path in ("", "/products", "/products/a", "/imports", f"/imports/{record['id']}"):
        assert system.http.get(below + path).status_code == 404, path
    assert system.http.delete(below).status_code == 404
    search = post_search(system, {"catalog": name, "image": b64(picture(1))})
    assert (search.status_code, search.json()["code"]) == (404, "not_found")
    listed = system.http.get("/v1/catalogs", params={"limit": 500}).json()["items"]
    assert name not in [catalog["name"] for catalog in listed]

    system.create_catalog(name)
    anew = system.http.get(below).json()
    assert (anew["title"], anew["metric"], anew["products"]) == (name, "cosine", 0)
    assert system.http.get(below + "/imports").json()["items"] == []
    assert find(system, name, picture(1))["results"] == []


def test_one_catalog_is_never_in_the_answer_of_another(system: System, shop: str) -> None:
    name = system.create_catalog("alone")
    add(system, name, "mine", picture(3))
    assert [h["product_id"] for h in find(system, name, picture(3), limit=100)["results"]] == [
        "mine"
    ]
    assert "mine" not in [
        h["product_id"] for h in find(system, SHOP, picture(3), limit=100)["results"]
    ]
