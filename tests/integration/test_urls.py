"""Pictures by URL, through the whole system: in tables, of products, of searches, hostile ones."""

from __future__ import annotations

import gzip
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import openpyxl
import pytest
from picture_server import Host, Town, drawn
from shop import FETCHING, find, ids, post_search, wait_fresh
from system import System, archive, eventually, picture

SHOP, HANGING, DOWN, BUSY = FETCHING["fetch_allow"].split(",")
INSIDE = "127.0.0.3"


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    running = Town()
    yield running
    running.close()


@pytest.fixture(scope="module")
def hosts(town: Town) -> dict[str, Host]:
    return {address: town.host(address) for address in (SHOP, HANGING, DOWN, BUSY, INSIDE)}


@pytest.fixture(scope="module")
def shop(hosts: dict[str, Host]) -> Host:
    return hosts[SHOP]


def csv(*urls: str) -> bytes:
    return ("id,image,title\n" + "".join(f"p{i},{url},T\n" for i, url in enumerate(urls))).encode()


def codes(system: System, done: dict[str, Any]) -> dict[str, str | None]:
    return {item["product_id"]: item["code"] for item in system.items(done)}


def test_each_host_meets_its_fate_and_none_delays_the_others(
    system: System, hosts: dict[str, Host]
) -> None:
    catalog, other = system.create_catalog("by-url"), system.create_catalog("by-url-other")
    shop = hosts[SHOP]
    wanted: dict[str, str | None] = {shop.url(f"/drawn/{i}"): None for i in range(8)}
    wanted |= {hosts[HANGING].url("/hang"): "url_timeout", hosts[DOWN].url("/down-once"): None}
    wanted |= {shop.url("/status/404"): "url_not_found"}
    wanted |= {hosts[BUSY].url("/busy-once"): None, hosts[BUSY].url("/drawn/8"): None}
    begun = time.monotonic()
    record = system.upload(catalog, csv(*wanted), media="text/csv")
    beside = system.upload(other, csv(*(shop.url(f"/drawn/{i}") for i in range(4))))
    assert system.finish(beside)["status"] == "succeeded"
    assert time.monotonic() - begun < 8
    late = eventually(
        lambda: [item for item in system.items(record) if item["next_try_at"]], what="a put-off"
    )
    assert {item["status"] for item in late} == {"pending"} and all(i["detail"] for i in late)
    done = system.finish(record)
    assert list(codes(system, done).values()) == list(wanted.values())
    assert (done["counts"]["items"], done["counts"]["searchable"]) == (13, 11)
    timed_out = [i for i in system.items(done) if i["code"] == "url_timeout"]
    assert {item["attempts"] for item in timed_out} == {3}
    assert all("tried 3 times" in item["detail"] for item in timed_out)
    hits = ids(find(system, catalog, drawn(5), limit=1))
    assert hits == ["p5"]


def test_a_second_import_of_the_same_file_downloads_nothing(system: System, shop: Host) -> None:
    catalog = system.create_catalog("by-url-again")
    data = csv(*(shop.url(f"/drawn/{i}") for i in range(20, 30)))
    first = system.finish(system.upload(catalog, data))
    segments = "SELECT count(DISTINCT segment) FROM embeddings"
    before, made = len(shop.asked), system.query(segments)
    second = wait_fresh(system, system.finish(system.upload(catalog, data)))
    assert second["counts"] == first["counts"]
    asked = [headers.get("if-none-match") for path, headers in shop.asked[before:]]
    assert len(asked) == 10 and all(asked)
    assert system.query(segments) == made, "nothing is encoded again"
    assert ids(find(system, catalog, drawn(23), limit=1)) == ["p3"]


def _workbook(rows: list[list[str]]) -> bytes:
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "media"),
    [
        ("shop.csv", "text/csv"),
        ("shop.tsv.gz", "application/gzip"),
        ("shop.xlsx", "application/octet-stream"),
        ("shop.json", "application/json"),
        ("shop.ndjson", "application/x-ndjson"),
        ("feed.xml", "text/xml"),
        ("shop.zip", "application/zip"),
    ],
)
def test_a_table_by_itself_is_a_catalog(system: System, shop: Host, name: str, media: str) -> None:
    catalog = system.create_catalog(f"table-{name.replace('.', '-')}")
    rows = [{"id": f"a{i}", "image": shop.url(f"/drawn/{40 + i}"), "title": "A"} for i in range(2)]
    table = [list(rows[0]), *(list(row.values()) for row in rows)]
    cells = ["".join(f"<{k}>{v}</{k}>" for k, v in row.items()) for row in rows]
    data = {
        "csv": "\n".join(map(",".join, table)).encode(),
        "gz": gzip.compress("\n".join(map("\t".join, table)).encode()),
        "xlsx": _workbook(table) if name.endswith("xlsx") else b"",
        "json": json.dumps(rows).encode(),
        "ndjson": "\n".join(map(json.dumps, rows)).encode(),
        "xml": f"<rows><row>{'</row><row>'.join(cells)}</row></rows>".encode(),
        "zip": archive([("manifest.json", json.dumps(rows).encode())]),
    }[name.rpartition(".")[2]]
    path = f"/v1/catalogs/{catalog}/imports"
    answer = system.http.post(path, files={"file": (name, data, media)})
    assert answer.status_code == 202, answer.text
    done = system.finish(answer.json())
    assert (done["status"], done["counts"]["searchable"]) == ("succeeded", 2), system.items(done)
    raw = system.http.post(path, content=data, headers={"Content-Type": media})
    assert system.finish(raw.json())["counts"]["searchable"] == 2


def test_a_picture_that_is_no_url_fails_alone(system: System, shop: Host) -> None:
    catalog = system.create_catalog("no-url")
    done = system.finish(system.upload(catalog, csv("a.jpg", shop.url("/drawn/50"))))
    assert codes(system, done) == {"p0": "picture_not_a_url", "p1": None}
    assert system.items(done, status="failed")[0]["detail"].startswith("Line 2: ")


ATTACKS = [
    ("http://169.254.169.254/latest/meta-data/iam", "url_refused_address"),
    ("http://{inside}/picture", "url_refused_address"),
    ("http://127.0.0.1:6379/", "url_refused_address"),
    ("http://[::ffff:169.254.169.254]/", "url_refused_address"),
    ("{shop}/to/http://{inside}/picture", "url_refused_address"),
    ("{shop}/endless", "url_too_large"),
    ("{shop}/page", "url_not_a_picture"),
    ("{shop}/status/404", "url_not_found"),
]


def test_attacks_fail_each_with_its_code(system: System, hosts: dict[str, Host]) -> None:
    catalog = system.create_catalog("attacks")
    urls = [_filled(hosts, url) for url, _ in ATTACKS]
    done = system.finish(system.upload(catalog, csv(*urls), media="text/csv"))
    assert list(codes(system, done).values()) == [code for _, code in ATTACKS]
    assert hosts[INSIDE].asked == [] and done["status"] == "failed"
    assert {item["attempts"] for item in system.items(done)} == {1}


@pytest.mark.parametrize(("url", "code"), ATTACKS)
def test_a_search_by_a_hostile_url_fails_with_its_code(
    system: System, hosts: dict[str, Host], url: str, code: str
) -> None:
    catalog = system.create_catalog("attacks-by-search")
    body = {"catalog": catalog, "image": {"url": _filled(hosts, url)}}
    search = system.api.finished_search(json=body)
    assert (search["status"], search["error"]["code"]) == ("failed", code), search
    assert hosts[INSIDE].asked == [] and "169.254.169.254" not in search["error"]["instance"]


def _filled(hosts: dict[str, Host], url: str) -> str:
    inside = f"{INSIDE}:{hosts[INSIDE].port}"
    return url.format(shop=hosts[SHOP].url(""), inside=inside)


def test_a_product_is_put_with_pictures_by_url(system: System, shop: Host) -> None:
    catalog = system.create_catalog("put-by-url")
    path = f"/v1/catalogs/{catalog}/products/lamp"
    images = [{"url": shop.url("/drawn/60")}, {"url": shop.url("/status/404")}]
    answer = system.http.put(path, json={"images": images, "title": "Lamp"})
    assert answer.status_code == 202, answer.text
    done = system.finish(answer.json())
    assert [item["code"] for item in system.items(done)] == [None, "url_not_found"]
    assert ids(find(system, catalog, drawn(60), limit=1)) == ["lamp"]


@pytest.mark.parametrize(
    ("image", "pointer"),
    [
        ({"url": "ftp://shop.example/a.jpg"}, "/url"),
        ({"url": "a.jpg"}, "/url"),
        ({"url": f"https://x/{'a' * 5000}"}, "/url"),
        ({"url": "https://x/a.jpg", "base64": "aaaa"}, ""),
        ({}, ""),
    ],
)
def test_what_is_no_picture_is_refused(system: System, image: Any, pointer: str) -> None:
    catalog = system.create_catalog("no-picture")
    put = system.http.put(f"/v1/catalogs/{catalog}/products/a", json={"images": [image]})
    asked = post_search(system, {"catalog": catalog, "image": image})
    assert (put.status_code, asked.status_code) == (422, 422)
    assert put.json()["errors"][0]["pointer"] == f"/images/0{pointer}"
    assert asked.json()["errors"][0]["pointer"] == f"/image{pointer}"


def test_a_search_by_url_is_answered(system: System, shop: Host) -> None:
    catalog = system.create_catalog("search-by-url")
    data = csv(*(shop.url(f"/drawn/{i}") for i in range(70, 74)))
    wait_fresh(system, system.finish(system.upload(catalog, data)))
    body = {"catalog": catalog, "image": {"url": shop.url("/drawn/72")}, "limit": 1}
    for cached in (False, True):
        answer = post_search(system, body)
        assert answer.status_code == 200 and answer.headers["preference-applied"] == "wait=10"
        found = answer.json()
        assert (found["status"], found["cached"], ids(found)) == ("succeeded", cached, ["p2"])
    assert system.api.finished_search(json=body)["status"] == "succeeded"
    later = post_search(system, {**body, "limit": 2}, wait=0)
    assert later.status_code == 202
    place = later.headers["location"]
    done = eventually(lambda: _over(system.http.get(place).json()), what="the search")
    assert done["status"] == "succeeded" and done["id"] == later.json()["id"]


def _over(search: dict[str, Any]) -> dict[str, Any] | None:
    return search if search["status"] not in ("queued", "running") else None


def test_a_search_whose_host_hangs_holds_no_thread_and_ends(
    system: System, hosts: dict[str, Host]
) -> None:
    catalog = system.create_catalog("search-hangs")
    body = {"catalog": catalog, "image": {"url": hosts[HANGING].url("/hang/search")}}
    begun = [post_search(system, body, wait=0).json() for _ in range(3)]
    assert {search["status"] for search in begun} == {"queued"}
    gone = system.http.delete(f"/v1/searches/{begun[0]['id']}").json()
    assert gone["status"] == "cancelled"
    assert find(system, catalog, picture(1))["status"] == "succeeded"
    for search in begun[1:]:
        place = f"/v1/searches/{search['id']}"
        done = eventually(lambda place=place: _over(system.http.get(place).json()), what="an end")
        assert (done["status"], done["error"]["code"]) == ("failed", "url_timeout")
    assert system.http.get(f"/v1/searches/{begun[0]['id']}").json()["status"] == "cancelled"
    many = [post_search(system, body, wait=0).status_code for _ in range(12)]
    assert set(many) == {202, 503}, "only so many are fetched at a time"


def test_a_preview_fetches_nothing_and_says_what_it_cannot_know(system: System, shop: Host) -> None:
    catalog = system.create_catalog("by-url-preview")
    path, asked = f"/v1/catalogs/{catalog}/imports", len(shop.asked)
    data = csv(shop.url("/drawn/50"), shop.url("/picture"), "a.jpg")

    def dry(body: bytes) -> dict[str, Any]:
        answer = system.http.post(path, params={"dry_run": "true"}, content=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    told = dry(data)
    assert len(shop.asked) == asked
    assert (told["format"], told["ignored"], told["problem"]) == ("plain", [], None)
    counts = told["counts"]
    assert (counts["products"], counts["add"], counts["failed"]) == (3, 2, 1)
    found = [each["pictures"][0]["found"] for each in told["products"]]
    assert found == [None, None, False]
    (failure,) = told["failures"]
    assert (failure["line"], failure["code"]) == (4, "picture_not_a_url")
    assert failure["detail"].startswith("The picture is not an http")

    record = system.http.post(path, params={"upload": told["upload"]}).json()
    assert system.finish(record)["counts"]["searchable"] == 2
    asked = len(shop.asked)
    counts = dry(data)["counts"]
    # The host of the second one does not say how to ask for changes.
    assert (counts["unchanged"], counts["change"], counts["add"]) == (1, 1, 0)
    described = f"id,image,title,description\np0,{shop.url('/drawn/50')},T,Soft\n".encode()
    assert dry(described)["counts"]["change"] == 1
    moved = csv(shop.url("/drawn/51"))
    assert dry(moved)["counts"]["change"] == 1
    assert len(shop.asked) == asked
