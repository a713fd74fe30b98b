"""Imports over HTTP: accepted, counted, listed, replaced, cancelled; every item has its fate."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from shop import add, find, ids, wait_fresh
from system import System, archive, eventually, picture

STAGES = {"fetch", "decode", "embed", "index"}


def _mixed(system: System, catalog: str) -> dict[str, Any]:
    """Import five good pictures, a broken one and a text that calls itself a picture."""
    files = [(f"p{i}.jpg", picture(i)) for i in range(5)]
    broken = [("broken.jpg", picture(9)[:-700]), ("=text.jpg", b"hello")]
    return system.finish(system.upload(catalog, archive([*files, *broken])))


def test_an_import_tells_its_progress_and_its_end(system: System) -> None:
    catalog = system.create_catalog("progress")
    files = [(f"p{i}.jpg", picture(i)) for i in range(8)]
    answer = system.http.post(
        f"/v1/catalogs/{catalog}/imports",
        content=archive(files),
        headers={"Content-Type": "application/zip"},
    )
    assert answer.status_code == 202
    accepted = answer.json()
    assert answer.headers["Location"] == f"/v1/catalogs/{catalog}/imports/{accepted['id']}"
    assert accepted["status"] in ("received", "running")
    assert (accepted["catalog"], accepted["finished_at"]) == (catalog, None)
    done = system.finish(accepted)
    assert (done["status"], done["progress"], done["eta_s"]) == ("succeeded", 1, None)
    assert done["counts"] == dict.fromkeys(
        ("items", "fetched", "decoded", "embedded", "searchable"), 8
    ) | {"failed": 0}
    assert done["error"] is None
    assert done["created_at"] == accepted["created_at"] < done["finished_at"]
    assert system.http.get(answer.headers["Location"]).json() == done
    described = system.http.get(f"/v1/catalogs/{catalog}").json()
    assert (described["products"], described["images"]) == (8, 8)


def test_a_broken_picture_fails_alone(system: System) -> None:
    catalog = system.create_catalog("partial")
    done = wait_fresh(system, _mixed(system, catalog))
    assert done["status"] == "partial"
    assert (done["counts"]["searchable"], done["counts"]["failed"]) == (5, 2)
    assert len(ids(find(system, catalog, picture(1)))) == 5

    items = system.items(done)
    assert [item["item"] for item in items] == list(range(7))
    assert {item["stage"] for item in items} <= STAGES
    failed = system.items(done, status="failed")
    assert {item["path"]: item["code"] for item in failed} == {
        "broken.jpg": "image_corrupt",
        "=text.jpg": "unsupported_image",
    }
    assert all(item["detail"] and item["attempts"] == 1 for item in failed)
    assert {item["stage"] for item in failed} == {"decode"}
    assert len(system.items(done, status="searchable", limit=2)) == 5
    assert system.items(done, stage="embed") == []
    assert [i["product_id"] for i in system.items(done, status="searchable")] == [
        f"p{i}" for i in range(5)
    ]


def test_the_ledger_can_be_downloaded(system: System) -> None:
    catalog = system.create_catalog("ledger")
    done = _mixed(system, catalog)
    items = system.items(done)
    path = f"/v1/catalogs/{catalog}/imports/{done['id']}/items"
    lines = system.http.get(path, headers={"Accept": "application/x-ndjson"})
    assert [json.loads(line) for line in lines.text.splitlines()] == items
    table = system.http.get(path, headers={"Accept": "text/csv"}, params={"limit": 1})
    rows = list(csv.DictReader(io.StringIO(table.text, newline="")))
    assert [row["item"] for row in rows] == [str(item["item"]) for item in items]
    assert list(rows[0]) == list(items[0])
    assert not any(value.startswith("=") for row in rows for value in row.values())
    failed = system.http.get(path, headers={"Accept": "text/csv"}, params={"status": "failed"})
    assert len(list(csv.DictReader(io.StringIO(failed.text)))) == 2
    anything = system.http.get(path, headers={"Accept": "*/*"})
    assert anything.headers["content-type"] == "application/json"
    for bad in (
        {"status": "lost"},
        {"stage": "x"},
        {"cursor": "YWJj"},
        {"cursor": "OTk5OTk5OTk5OTk5"},
    ):
        assert system.http.get(path, params=bad).status_code == 422, bad


def test_the_list_is_newest_first_in_pages(system: System) -> None:
    catalog, other = system.create_catalog("newest"), system.create_catalog("newest-other")
    made = [system.upload(catalog, archive([("a.jpg", picture(i))]))["id"] for i in range(5)]
    foreign = system.upload(other, archive([("a.jpg", picture(1))]))
    path = f"/v1/catalogs/{catalog}/imports"
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = system.http.get(path, params=params).json()
        seen += [record["id"] for record in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == made[::-1]
    for unknown in (foreign["id"], "nothing"):
        assert system.http.get(f"{path}/{unknown}").status_code == 404
        assert system.http.get(f"{path}/{unknown}/items").status_code == 404
        assert system.http.delete(f"{path}/{unknown}").status_code == 404


def test_replace_removes_what_the_file_does_not_name(system: System) -> None:
    catalog = system.create_catalog("replace")
    for i in range(3):
        add(system, catalog, f"p{i}", picture(i))
    files = archive([("p1.jpg", picture(11)), ("p2.jpg", b"broken"), ("p9.jpg", picture(9))])
    done = system.finish(system.upload(catalog, files, mode="replace"))
    assert (done["status"], done["mode"]) == ("partial", "replace")
    wait_fresh(system, done)
    # p2 is named, though broken: it keeps what it had.
    assert sorted(ids(find(system, catalog, picture(1)))) == ["p1", "p2", "p9"]
    assert find(system, catalog, picture(11), limit=1)["results"][0]["score"] > 0.99


def test_a_replace_that_fails_removes_nothing(system: System) -> None:
    catalog = system.create_catalog("replace-failed")
    add(system, catalog, "kept", picture(1))
    whole = archive([(f"p{i}.jpg", picture(i)) for i in range(4)])
    for data in (
        archive([("a.jpg", b"broken")]),
        archive([]),
        whole[:-30],
        whole[: len(whole) // 2],
    ):
        done = system.finish(system.upload(catalog, data, mode="replace"))
        assert done["status"] == "failed"
        assert ids(find(system, catalog, picture(1))) == ["kept"]
    wrong = system.http.post(
        f"/v1/catalogs/{catalog}/imports", params={"mode": "both"}, content=b""
    )
    assert wrong.status_code == 422


def test_cancelling_keeps_what_is_searchable(system: System) -> None:
    catalog = system.create_catalog("cancelled")
    add(system, catalog, "before", picture(1))
    files = archive([(f"p{i:03}.jpg", picture(i, side=700)) for i in range(300)])
    record = system.upload(catalog, files, mode="replace")

    def begun() -> bool:
        counts = system.read_import(record)["counts"]
        return bool(counts["searchable"] and counts["items"])

    eventually(begun, what="the first searchable pictures")
    path = f"/v1/catalogs/{catalog}/imports/{record['id']}"
    answer = system.http.delete(path).json()
    assert answer["status"] == "cancelled"
    assert answer["finished_at"]
    done = system.finish(record)
    assert done == answer
    counts = done["counts"]
    assert counts["items"] == 300
    assert 0 < counts["searchable"] < 300
    assert {item["code"] for item in system.items(record, status="failed")} == {"cancelled"}
    wait_fresh(system, done)
    assert system.http.get(f"/v1/catalogs/{catalog}").json()["products"] == counts["searchable"] + 1
    assert system.http.get(f"/v1/catalogs/{catalog}/products/before").status_code == 200
    assert system.http.delete(path).json() == done  # again changes nothing
    assert system.read_import(record) == done


def test_two_imports_at_once_do_not_disturb_each_other(system: System) -> None:
    one, other = system.create_catalog("at-once-1"), system.create_catalog("at-once-2")
    first = system.upload(one, archive([(f"a/p{i}.jpg", picture(i)) for i in range(90)]))
    second = system.upload(one, archive([(f"b/p{i}.jpg", picture(i)) for i in range(30)]))
    third = system.upload(other, archive([(f"c/p{i}.jpg", picture(i)) for i in range(10)]))
    for record, count in ((third, 10), (second, 30), (first, 90)):
        done = system.finish(record)
        assert (done["status"], done["counts"]["searchable"]) == ("succeeded", count)
    wait_fresh(system, system.read_import(first))
    counted = {c: system.http.get(f"/v1/catalogs/{c}").json()["products"] for c in (one, other)}
    assert counted == {one: 120, other: 10}
    assert sorted(ids(find(system, one, picture(21), limit=2))) == ["a/p21", "b/p21"]


def test_files_and_single_products_are_listed_apart(system: System) -> None:
    catalog = system.create_catalog("apart")
    files = [
        system.finish(system.upload(catalog, archive([("a.jpg", picture(i))]))) for i in (1, 2)
    ]
    puts = [add(system, catalog, name, picture(3)) for name in ("b", "c")]
    where = f"/v1/catalogs/{catalog}/imports"

    def listed(**params: Any) -> list[str]:
        page = system.http.get(where, params=params).raise_for_status().json()
        return [record["id"] for record in page["items"]]

    assert listed() == listed(kind="file") == [record["id"] for record in reversed(files)]
    assert listed(kind="product") == [record["id"] for record in reversed(puts)]
    assert system.http.get(where, params={"kind": "product", "limit": 1}).json()["next_cursor"]
    assert system.http.get(where, params={"kind": "other"}).status_code == 422
    assert system.http.get(f"{where}/{puts[0]['id']}").json()["id"] == puts[0]["id"]
