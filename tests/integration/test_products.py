"""Products over HTTP: put, replace, describe, list, delete; the last accepted write wins."""

from __future__ import annotations

import json
from typing import Any

import pytest
from shop import add, b64, find, ids, put, wait_fresh
from system import System, archive, picture

MAKE = {"title": "Lamp", "url": "https://shop.example/lamp"}


def _path(catalog: str, product_id: str) -> str:
    return f"/v1/catalogs/{catalog}/products/{product_id}"


def _writes(system: System, catalog: str) -> list[dict[str, Any]]:
    """Return the imports of products that were put by themselves, newest first."""
    answer = system.http.get(f"/v1/catalogs/{catalog}/imports", params={"kind": "product"})
    return list(answer.raise_for_status().json()["items"])


def test_a_product_of_several_pictures_as_a_form(system: System) -> None:
    catalog = system.create_catalog("form")
    text = {**MAKE, "attributes": {"colour": "red", "sizes": ["S", "M"], "price": 9.5, "new": True}}
    images = [("image", (f"{i}.jpg", picture(i))) for i in (1, 2)]
    as_field = [*images, ("product", (None, json.dumps(text)))]
    as_file = [*images, ("product", ("p.json", json.dumps(text), "application/json"))]
    for name, parts in (("a", as_field), ("b", as_file)):
        answer = system.http.put(_path(catalog, name), files=parts)
        assert answer.status_code == 202, answer.text
        assert answer.headers["Location"].endswith(answer.json()["id"])
        done = wait_fresh(system, system.finish(answer.json()))
        assert done["counts"]["items"] == 2
        product = system.http.get(_path(catalog, name)).json()
        assert {k: product[k] for k in text} == text
        assert len(product["images"]) == 2
        assert all(system.http.get(image["url"]).is_success for image in product["images"])
    for i in (1, 2):
        found = find(system, catalog, picture(i), limit=2)
        assert sorted(ids(found)) == ["a", "b"]
        assert found["results"][1]["score"] > 0.99


def test_new_pictures_replace_all_the_old_ones(system: System) -> None:
    catalog = system.create_catalog("replaced")
    add(system, catalog, "a", picture(801), picture(802), **MAKE)  # pictures of no other test
    old = system.http.get(_path(catalog, "a")).json()["images"]
    add(system, catalog, "a", picture(3))
    product = system.http.get(_path(catalog, "a")).json()
    assert len(product["images"]) == 1
    assert product["title"] is None
    hits = find(system, catalog, picture(801))["results"]
    assert [hit["image_id"] for hit in hits] == [product["images"][0]["id"]]
    assert hits[0]["score"] < 0.99
    assert system.http.get(old[0]["url"]).status_code == 404


def test_a_patch_is_in_the_next_answer_and_encodes_nothing(system: System) -> None:
    catalog = system.create_catalog("patched")
    add(system, catalog, "a", picture(1), **MAKE, attributes={"colour": "red"})
    before = system.http.get(_path(catalog, "a")).json()
    n_imports = len(_writes(system, catalog))

    answer = system.http.patch(_path(catalog, "a"), json={"attributes": {"colour": "blue"}})
    after = answer.json()
    assert (after["title"], after["url"]) == (MAKE["title"], MAKE["url"])
    assert after["images"] == before["images"]
    assert after["updated_at"] > before["updated_at"]
    assert find(system, catalog, picture(1), filter={"colour": "red"})["results"] == []
    hit = find(system, catalog, picture(1), filter={"colour": "blue"})["results"][0]
    assert hit["attributes"] == {"colour": "blue"}
    cleared = system.http.patch(_path(catalog, "a"), json={"title": None, "url": "/new"}).json()
    assert (cleared["title"], cleared["url"]) == (None, "/new")
    assert len(_writes(system, catalog)) == n_imports == 1


def test_a_deleted_product_is_gone_at_once(system: System) -> None:
    catalog = system.create_catalog("deleted")
    add(system, catalog, "a", picture(803))  # a picture of no other test
    add(system, catalog, "b", picture(2))
    image = system.http.get(_path(catalog, "a")).json()["images"][0]
    answer = system.http.delete(_path(catalog, "a"))
    assert (answer.status_code, answer.content) == (204, b"")
    assert ids(find(system, catalog, picture(803))) == ["b"]
    for method in ("GET", "DELETE", "PATCH"):
        body = {"json": {"title": "x"}} if method == "PATCH" else {}
        gone = system.http.request(method, _path(catalog, "a"), **body)
        assert gone.status_code == 404, method
    assert system.http.get(image["url"]).status_code == 404
    assert system.http.get(f"/v1/catalogs/{catalog}").json()["products"] == 1
    add(system, catalog, "a", picture(3))
    assert ids(find(system, catalog, picture(3), limit=1)) == ["a"]


@pytest.mark.parametrize(
    "product_id",
    [
        "a/b/c",
        "größe 42",
        "v1.2.jpg",
        "日本/靴",
        "100%",
        "a+b&c=d",
        "a//b",
        "?#",
        "a" * 512,
        "-",
        "a/",
    ],
)
def test_an_id_is_any_printable_text(system: System, product_id: str) -> None:
    catalog = system.create_catalog("names")
    quoted = "".join(f"%{byte:02X}" for byte in product_id.encode())
    system.finish(put(system, catalog, quoted, picture(1)))
    assert system.http.get(_path(catalog, quoted)).json()["id"] == product_id
    listed = system.http.get(f"/v1/catalogs/{catalog}/products").json()["items"]
    assert [product["id"] for product in listed] == [product_id]
    assert system.http.delete(_path(catalog, quoted)).status_code == 204


@pytest.mark.parametrize("quoted", ["a%00b", "a%0Ab", "%FF", "%2Fa", "a" * 513])
def test_other_ids_are_refused(system: System, quoted: str) -> None:
    catalog = system.create_catalog("no-names")
    answer = system.http.put(_path(catalog, quoted), json={"images": [b64(picture(1))]})
    assert answer.status_code in (404, 422)
    assert system.http.get(f"/v1/catalogs/{catalog}/products").json()["items"] == []


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"images": []}, "/images"),
        ({"images": [b64(picture(1))] * 11}, "/images"),
        ({"images": [{"base64": "?"}]}, "/images/0/base64"),
        ({"images": [{"url": "file:///etc/passwd"}]}, "/images/0/url"),
        ({"colour": "red"}, "/colour"),
        ({"title": "a\0b"}, "/title"),
        ({"attributes": {"a": {"b": 1}}}, "/attributes/a"),
        ({"attributes": {"a": [1]}}, "/attributes/a"),
        ({"attributes": {"a": None}}, "/attributes/a"),
        ({"attributes": {"a/b": 10**400}}, "/attributes/a~1b"),
        ({"attributes": {str(i): i for i in range(65)}}, "/attributes"),
    ],
)
def test_an_invalid_product_is_refused(
    system: System, fields: dict[str, Any], pointer: str
) -> None:
    catalog = system.create_catalog("invalid")
    body = {"images": [b64(picture(1))], **fields}
    answer = system.http.put(_path(catalog, "a"), json=body)
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]][-1] == pointer
    assert _writes(system, catalog) == []


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"title": "x" * 2001}, "/title"),
        ({"title": "a\0b"}, "/title"),
        ({"url": "x" * 4001}, "/url"),
        ({"attributes": {"a\0": 1}}, "/attributes/a\0"),
        ({"attributes": {"a": "x" * 17_000}}, "/attributes"),
    ],
)
def test_every_way_to_write_a_product_has_one_rule(
    system: System, fields: dict[str, Any], pointer: str
) -> None:
    path = _path(system.create_catalog("one-rule"), "a")
    form = [("image", ("a.jpg", picture(1))), ("product", (None, json.dumps(fields)))]
    for answer in (
        system.http.put(path, json={"images": [b64(picture(1))], **fields}),
        system.http.put(path, files=form),
        system.http.patch(path, json=fields),
    ):
        assert answer.status_code == 422, answer.text
        assert [error["pointer"] for error in answer.json()["errors"]][-1].startswith(pointer)


def test_an_invalid_form_is_refused(system: System) -> None:
    catalog = system.create_catalog("invalid-form")
    images = [("image", (f"{i}.jpg", picture(i))) for i in range(11)]
    with_pictures = ("product", (None, json.dumps({"images": [b64(picture(1))]})))
    for parts in ([("other", ("a", b""))], images, [images[0], with_pictures]):
        answer = system.http.put(_path(catalog, "a"), files=parts)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/images")


def test_a_number_json_cannot_hold_spoils_no_filter(system: System) -> None:
    catalog = system.create_catalog("finite")
    add(system, catalog, "a", picture(1), attributes={"price": 1})
    for number in (b"NaN", b"Infinity", b"-Infinity"):
        answer = system.http.patch(
            _path(catalog, "a"),
            content=b'{"attributes": {"price": %s}}' % number,
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 422
    assert ids(find(system, catalog, picture(1), filter={"price": 1})) == ["a"]


def test_the_list_goes_by_id_in_pages(system: System, shop: str) -> None:
    path, cursor, seen = f"/v1/catalogs/{shop}/products", None, []
    while True:
        params: dict[str, Any] = {"limit": 7, **({"cursor": cursor} if cursor else {})}
        page = system.http.get(path, params=params).json()
        assert len(page["items"]) <= 7
        seen += [product["id"] for product in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == [f"item/{i:02}" for i in range(24)]
    for bad in ("!", "ab", "YQ==x", "ü"):
        assert system.http.get(path, params={"cursor": bad}).status_code == 422, bad
    assert system.http.get(path, params={"limit": 501}).status_code == 422


def test_the_last_accepted_write_wins_whatever_ends_last(system: System) -> None:
    catalog = system.create_catalog("order")
    many = [(f"p{i}.jpg", picture(i)) for i in range(80)]
    slow = system.upload(catalog, archive([*many, ("fast.jpg", picture(90))]))
    late = put(system, catalog, "fast", picture(91), title="Later")
    deleted = [put(system, catalog, "dropped", picture(i)) for i in (92, 93)]
    assert system.http.delete(_path(catalog, "dropped")).status_code == 204
    assert system.finish(late)["status"] == "succeeded"
    done = system.finish(slow)
    for record in deleted:
        system.finish(record)
    wait_fresh(system, done)
    assert system.http.get(_path(catalog, "fast")).json()["title"] == "Later"
    hits = find(system, catalog, picture(91), limit=100)["results"]
    assert [hit["score"] > 0.99 for hit in hits if hit["product_id"] == "fast"] == [True]
    assert "dropped" not in [hit["product_id"] for hit in hits]
    assert system.http.get(_path(catalog, "dropped")).status_code == 404
    assert done["counts"]["searchable"] >= 80


def test_an_archive_and_a_put_give_the_same_answer(system: System) -> None:
    by_put, by_zip = system.create_catalog("by-put"), system.create_catalog("by-zip")
    for i in range(3):
        add(system, by_put, f"p{i}", picture(i))
    files = archive([(f"p{i}.jpg", picture(i)) for i in range(3)])
    wait_fresh(system, system.finish(system.upload(by_zip, files)))
    one, other = (find(system, c, picture(70))["results"] for c in (by_put, by_zip))
    assert [(h["product_id"], h["image_url"]) for h in one] == [
        (h["product_id"], h["image_url"]) for h in other
    ]
    assert [h["score"] for h in one] == pytest.approx([h["score"] for h in other], abs=1e-5)
