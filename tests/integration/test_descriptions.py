"""What is said of a product: descriptions, merge patches, and finding products by their names."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from shop import add, b64, find, put, wait_fresh
from system import System, archive, picture

from visearch.rules import LONGEST_DESCRIPTION

HTML = "<p>Mouth-blown &amp; <b>heavy</b>.</p><ul><li>Red</li></ul><script>alert(1)</script>"


def path(catalog: str, product_id: str = "a") -> str:
    return f"/v1/catalogs/{catalog}/products/{product_id}"


def test_a_table_s_description_is_whole_plain_and_no_attribute(system: System) -> None:
    catalog = system.create_catalog("described")
    long, too_long = "word " * 5_000, "x" * (LONGEST_DESCRIPTION + 1)
    rows = [
        {"id": "html", "image": "1.jpg", "description": HTML, "colour": "red"},
        {"id": "long", "image": "1.jpg", "description": long},
        {"id": "cut", "image": "1.jpg", "description": too_long},
        {"id": "none", "image": "1.jpg", "colour": "red"},
    ]
    table = "\n".join(map(json.dumps, rows)).encode()
    done = system.finish(
        system.upload(catalog, archive([("t.ndjson", table), ("1.jpg", picture(1))]))
    )
    assert done["counts"]["searchable"] == 4
    found = {
        p["id"]: p for p in system.http.get(f"/v1/catalogs/{catalog}/products").json()["items"]
    }
    assert found["html"]["description"] == "Mouth-blown & heavy .\nRed"
    assert found["html"]["attributes"] == {"colour": "red"}
    assert found["long"]["description"] == long.strip()
    assert found["cut"]["description"] == "x" * (LONGEST_DESCRIPTION - 1) + "…"
    assert found["none"]["description"] is None


def test_a_description_is_put_and_patched_as_it_is(system: System) -> None:
    catalog = system.create_catalog("described-puts")
    add(system, catalog, "a", picture(1), description=HTML, attributes={"colour": "red"})
    assert system.http.get(path(catalog)).json()["description"] == HTML
    form = [
        ("image", ("a.jpg", picture(2))),
        ("product", (None, json.dumps({"description": "form"}))),
    ]
    answer = system.http.put(path(catalog, "b"), files=form)
    system.finish(answer.json())
    assert system.http.get(path(catalog, "b")).json()["description"] == "form"
    patched = system.http.patch(path(catalog), json={"description": "new"}).json()
    assert (patched["description"], patched["attributes"]) == ("new", {"colour": "red"})
    assert (
        system.http.patch(path(catalog), json={"description": None}).json()["description"] is None
    )
    too_long = {"description": "x" * (LONGEST_DESCRIPTION + 1)}
    for refused in (
        system.http.patch(path(catalog), json=too_long),
        system.http.put(path(catalog), json={"images": [b64(picture(1))], **too_long}),
    ):
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["pointer"] == "/description"
    wait_fresh(system, system.finish(put(system, catalog, "a", picture(1))))
    hit = find(system, catalog, picture(1), limit=1)["results"][0]
    assert "description" not in hit and "description" not in hit["attributes"]


@pytest.mark.parametrize("media", ["application/json", "application/merge-patch+json"])
def test_a_patch_merges_attributes(system: System, media: str) -> None:
    catalog = system.create_catalog(f"merged-{len(media)}")
    attributes = {"colour": "red", "sizes": ["S", "M"], "price": 9.5}
    add(system, catalog, "a", picture(1), title="Lamp", attributes=attributes)

    def patch(body: Any) -> dict[str, Any]:
        answer = system.http.patch(
            path(catalog), content=json.dumps(body), headers={"Content-Type": media}
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    changed = patch({"attributes": {"colour": None, "sizes": ["L"], "sale": True}})
    assert changed["title"] == "Lamp"
    assert changed["attributes"] == {"sizes": ["L"], "price": 9.5, "sale": True}
    assert patch({})["attributes"] == changed["attributes"]
    assert find(system, catalog, picture(1), filter={"colour": "red"})["results"] == []
    hits = find(system, catalog, picture(1), filter={"sizes": "L", "sale": True})["results"]
    assert [hit["product_id"] for hit in hits] == ["a"]
    assert patch({"title": None, "attributes": None})["attributes"] == {}


def test_what_is_no_merge_patch_of_a_product_is_refused(system: System) -> None:
    catalog = system.create_catalog("merged-not")
    add(system, catalog, "a", picture(1), attributes={str(i): i for i in range(60)})
    before = system.http.get(path(catalog)).json()
    for body, pointer in (
        ({"attributes": {f"n{i}": i for i in range(5)}}, "/attributes"),
        ({"attributes": {"big": "x" * 17_000}}, "/attributes"),
        ({"attributes": {"a": {"b": 1}}}, "/attributes/a"),
        ({"attributes": {str(i): None for i in range(65)}}, "/attributes"),
        ({"attributes": []}, "/attributes"),
        ({"images": []}, "/images"),
        ([], ""),
    ):
        answer = system.http.patch(path(catalog), json=body)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert system.http.get(path(catalog)).json() == before


def test_of_patches_at_the_same_time_none_is_lost(system: System) -> None:
    catalog = system.create_catalog("merged-at-once")
    add(system, catalog, "a", picture(1), attributes={"kept": "yes", "gone": "no"})
    bodies: list[dict[str, Any]] = [{"attributes": {f"n{i}": i}} for i in range(12)]
    bodies += [{"title": "new"}, {"url": "/new"}, {"attributes": {"gone": None}}]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda body: system.http.patch(path(catalog), json=body), bodies))
    assert [answer.status_code for answer in answers] == [200] * len(bodies)
    found = system.http.get(path(catalog)).json()
    assert (found["title"], found["url"]) == ("new", "/new")
    assert found["attributes"] == {"kept": "yes", **{f"n{i}": i for i in range(12)}}


def test_products_are_found_by_id_or_title(system: System) -> None:
    catalog = system.create_catalog("looked-for")
    table = "id,image,title,colour\nlamp-1,1.jpg,Große Lampe,red\nlamp-2,1.jpg,Kleine Lampe,blue\n"
    table += "mug,1.jpg,Becher,red\n"
    files = [("t.csv", table.encode()), ("1.jpg", picture(1))]
    system.finish(system.upload(catalog, archive(files)))
    where = f"/v1/catalogs/{catalog}/products"

    def found(**query: Any) -> list[str]:
        return [p["id"] for p in system.http.get(where, params=query).json()["items"]]

    assert found(q="lampe") == found(q="LAMP") == ["lamp-1", "lamp-2"]
    assert found(q="grosse lamp") == ["lamp-1"]
    assert found(q="lamp", colour="blue") == ["lamp-2"]
    assert found(q="") == ["lamp-1", "lamp-2", "mug"]
    assert found(q="nothing") == []
    first = system.http.get(where, params={"q": "lamp", "limit": 1}).json()
    assert found(q="lamp", limit=1, cursor=first["next_cursor"]) == ["lamp-2"]
    system.http.patch(path(catalog, "mug"), json={"title": "Lampenschirm"})
    assert found(q="lampe") == ["lamp-1", "lamp-2", "mug"]
    system.http.delete(path(catalog, "lamp-1")).raise_for_status()
    assert found(q="lampe") == ["lamp-2", "mug"]
    assert system.http.get(where, params={"q": "x" * 201}).status_code == 422
