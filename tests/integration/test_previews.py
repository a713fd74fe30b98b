"""Previews: what a dry run says is what the import then does, and until then nothing changes."""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import httpx
import pytest
from shop import add, wait_fresh
from system import System, archive, picture
from test_cases import IMPORTS

TABLES = ("products", "images", "attribute_columns", "catalog_mappings", "imports")
SHOP = "Artikelcode,Foto,Titel,Breite\nA1,p0.jpg,Rot,10\nA2,p1.jpg,Blau,20\n"
PICTURES = [(f"p{i}.jpg", picture(i)) for i in range(8)]


def ask(system: System, catalog: str, data: bytes | None = None, **options: Any) -> httpx.Response:
    """Post to the imports of a catalog; ``mapping`` goes into a form, other options the query."""
    mapping = options.pop("mapping", None)
    files: dict[str, Any] = {} if data is None else {"file": ("shop.zip", data)}
    if mapping is not None:
        files["mapping"] = (None, mapping if isinstance(mapping, str) else json.dumps(mapping))
    path = f"/v1/catalogs/{catalog}/imports"
    return system.http.post(path, params=options, files=files or None)


def dry(system: System, catalog: str, data: bytes | None = None, **options: Any) -> dict[str, Any]:
    answer = ask(system, catalog, data, dry_run="true", **options)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def rows(system: System, catalog: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that the database holds of a catalog."""
    ((pk,),) = system.query(f"SELECT pk FROM catalogs WHERE name = '{catalog}'")
    of = {table: f"SELECT * FROM {table} WHERE catalog_pk = {pk} ORDER BY 1, 2" for table in TABLES}
    # Without what its upkeep writes.
    of["catalogs"] = f"SELECT title, revision, accepted, replaced FROM catalogs WHERE pk = {pk}"
    return {table: system.query(sql) for table, sql in of.items()}


def product_rows(system: System, catalog: str) -> dict[str, tuple[Any, ...]]:
    """Return each live product: what it says, and its pictures."""
    described = system.query(
        "SELECT p.external_id, p.title, p.url, p.description, p.attributes FROM products p "
        f"JOIN catalogs c ON c.pk = p.catalog_pk WHERE c.name = '{catalog}' AND NOT p.deleted"
    )
    shown = system.query(
        "SELECT p.external_id, i.position, i.sha256 FROM images i JOIN products p "
        "ON p.pk = i.product_pk JOIN catalogs c ON c.pk = p.catalog_pk "
        f"WHERE c.name = '{catalog}' AND i.removed IS NULL ORDER BY 2, 3"
    )
    return {
        each[0]: (*each[1:4], str(each[4]), tuple(s[2] for s in shown if s[0] == each[0]))
        for each in described
    }


def table(*lines: list[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(lines)
    return out.getvalue().encode()


def check(system: System, catalog: str, data: bytes, mode: str) -> dict[str, Any]:
    """Import a file after its preview, and hold the one against the other; returns the preview."""
    before, old = rows(system, catalog), product_rows(system, catalog)
    told = dry(system, catalog, data, mode=mode, guard=1)
    assert rows(system, catalog) == before
    answer = ask(system, catalog, upload=told["upload"], mode=mode, guard=1)
    assert answer.status_code == 202, answer.text
    done = wait_fresh(system, system.finish(answer.json()))
    new = product_rows(system, catalog)
    if told["problem"] and told["problem"]["code"] != "replace_incomplete":
        assert (done["error"]["code"], new) == (told["problem"]["code"], old)
        return told
    failed = system.items(done, status="failed")
    same = [each for each in old.keys() & new.keys() if old[each] == new[each]]
    named = {each["product_id"] for each in system.items(done, status="searchable")}
    counts = told["counts"]
    assert counts["add"] == len(new.keys() - old.keys()), (told, failed)
    assert counts["remove"] == len(old.keys() - new.keys()), (told, failed)
    assert counts["unchanged"] == len(named & set(same)), (told, old, new)
    assert counts["change"] == len(named & old.keys() - set(same)), (told, old, new)
    assert counts["failed"] == len(failed), (told, failed)
    assert sorted(each["code"] for each in told["failures"]) == sorted(e["code"] for e in failed)
    for each in told["products"]:
        if all(shown["found"] for shown in each["pictures"]):
            stored = system.http.get(f"/v1/catalogs/{catalog}/products/{each['id']}").json()
            assert all(stored[name] == each[name] for name in ("title", "url", "description"))
            assert len(stored["images"]) == len(each["pictures"])
    return told


@pytest.mark.parametrize("case", IMPORTS, ids=lambda case: case["file"])
def test_a_case_does_what_its_preview_says(
    system: System, shared: Path, case: dict[str, str]
) -> None:
    catalog = system.create_catalog(f"preview-{case['file'].partition('.')[0]}")
    held = archive([("b.jpg", picture(1)), ("manifest.csv", b"id,image\r\nB2,b.jpg\r\n")])
    system.finish(system.upload(catalog, held))
    mode = "replace" if "mode=replace" in case["note"] else "upsert"
    data = (shared / "cases" / case["file"]).read_bytes()
    check(system, catalog, data, mode)
    again = dry(system, catalog, data, mode=mode)["counts"]
    assert (again["add"], again["change"], again["remove"]) == (0, 0, 0), "now it is all there"


def shop_file(draw: random.Random) -> bytes:
    """Return a file of a shop: some rows broken, some pictures missing, sometimes no table."""
    members = [each for each in PICTURES if draw.random() < 0.8]
    members += [("Notes.txt", b"for nobody"), (".DS_Store", b"x")]
    if draw.random() < 0.2:
        return archive([(f"{draw.choice('abc')}/{name}", data) for name, data in members])
    lines = [["sku", "image", "title", "colour", "size"]]
    for number in range(draw.randint(4, 9)):
        product_id = draw.choice(["", *(f"id-{number % 6}" for _ in range(9))])
        images = draw.sample(["p0.jpg", "p3.jpg", "P5.JPG", "nope.jpg", "x/p6.jpg"], 2)
        line = [product_id, "|".join(images[: draw.randint(0, 2)]), f"T{number % 6}", "red", "7"]
        lines.append([*line, "too", "many"] if draw.random() < 0.1 else line)
    return archive([*members, ("shop/products.csv", table(*lines))])


@pytest.mark.parametrize("seed", range(3))
def test_generated_files_do_what_their_previews_say(system: System, seed: int) -> None:
    draw = random.Random(seed)
    catalog = system.create_catalog(f"preview-drawn-{seed}")
    first = shop_file(draw)
    check(system, catalog, first, "upsert")
    check(system, catalog, first, "upsert")
    for _ in range(3):
        check(system, catalog, shop_file(draw), draw.choice(["upsert", "replace"]))


def test_the_whole_answer(system: System) -> None:
    catalog = system.create_catalog("preview-whole")
    lines = b"sku;image;title;size\r\n1;p0.jpg;Rot;5\r\n2;p1.jpg|no.jpg;Blau;6\r\n3;;Gelb;7\r\n"
    data = archive([*PICTURES[:3], ("list.csv", lines), ("read me.pdf", b"%PDF"), (".x", b"")])
    told = dry(system, catalog, data)
    assert (told["format"], told["encoding"], told["delimiter"]) == ("plain", "utf-8", ";")
    assert [(each["column"], each["field"], each["type"]) for each in told["mapping"]] == [
        ("sku", "id", "text"),
        ("image", "picture", "text"),
        ("title", "title", "text"),
        ("size", "attribute", "number"),
    ]
    assert told["products"][1]["pictures"] == [
        {"name": "p1.jpg", "found": True},
        {"name": "no.jpg", "found": False},
    ]
    assert told["counts"] == {
        **{"rows": 3, "products": 2, "pictures": 3, "add": 2},
        **{"change": 0, "remove": 0, "unchanged": 0, "failed": 2},
    }
    lost = {"code": "picture_missing", "detail": "The archive has no such file."}
    bad = {"code": "invalid_manifest_row", "detail": "The row names no image."}
    assert told["failures"] == [
        {"line": 3, "picture": "no.jpg", **lost},
        {"line": 4, "picture": None, **bad},
    ]
    assert told["ignored"] == ["p2.jpg", "read me.pdf", ".x"]
    assert (told["problem"], told["guard"]) == (None, None)


def test_pictures_without_a_table(system: System) -> None:
    catalog = system.create_catalog("preview-pictures")
    members = [("shoes/a.jpg", picture(1)), ("b.jpg", picture(2))]
    data = archive([*members, ("Liesmich.txt", b"hi"), ("__MACOSX/._b.jpg", b"x")])
    told = check(system, catalog, data, "upsert")
    assert (told["format"], told["mapping"], told["encoding"]) == ("pictures", [], None)
    assert [(each["id"], each["attributes"]) for each in told["products"]] == [
        ("shoes/a", {"folder": "shoes"}),
        ("b", {}),
    ]
    assert told["ignored"] == ["Liesmich.txt", "__MACOSX/._b.jpg"]
    mapped = ask(system, catalog, data, dry_run="true", mapping={"a": "id"})
    assert (mapped.status_code, mapped.json()["errors"][0]["pointer"]) == (422, "mapping")
    empty = dry(system, catalog, archive([("Liesmich.txt", b"hi")]))
    assert empty["problem"]["code"] == "archive_corrupt"


def test_what_names_of_pictures_are_read_as_is_said(system: System) -> None:
    catalog = system.create_catalog("preview-names")
    data = archive([("p_____.jpg", picture(1))]).replace(b"p_____", "платье".encode("cp866"))
    told = check(system, catalog, data, "upsert")
    assert [each["id"] for each in told["products"]] == ["платье"]
    assert "ibm866" in told["notes"][0]


def test_columns_that_are_not_known_can_be_said(system: System) -> None:
    catalog = system.create_catalog("preview-mapped")
    lines = SHOP.replace("p", "img/p").replace(".jimg/pg", "")  # nothing tells that it is a picture
    lines = lines.replace("Foto", "Knipoog").replace("Artikelcode", "Ding")
    data = archive([*((f"img/p{i}", picture(i)) for i in range(2)), ("l.csv", lines.encode())])
    told = dry(system, catalog, data)
    assert told["problem"]["code"] == "mapping_incomplete"
    assert "PUT /v1/catalogs/{catalog}/mapping" in told["problem"]["detail"]
    assert [(each["column"], each["example"]) for each in told["mapping"]][:2] == [
        ("Ding", "A1"),
        ("Knipoog", "img/p0"),
    ]
    upload, said = told["upload"], {"Ding": "id", "Knipoog": {"field": "picture"}}
    unsaid = ask(system, catalog, upload=upload)
    done = system.finish(unsaid.json())
    assert (done["status"], done["error"]["code"]) == ("failed", "mapping_incomplete")
    again = dry(system, catalog, upload=upload, mapping=said)
    assert (again["problem"], again["counts"]["add"], again["upload"]) == (None, 2, upload)
    for wrong, pointer in (
        ({"Ding": "wheel"}, "mapping/Ding"),
        ({"Nix": "id"}, "mapping/Nix"),
        ("{", "mapping"),
    ):
        refused = ask(system, catalog, dry_run="true", upload=upload, mapping=wrong)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)
    assert (
        "id, title, picture"
        in ask(system, catalog, upload=upload, mapping={"Ding": "wheel"}).json()["errors"][0][
            "detail"
        ]
    )
    done = system.finish(ask(system, catalog, upload=upload, mapping=said).json())
    assert (done["status"], done["counts"]["searchable"]) == ("succeeded", 2)
    # What was said is remembered, and so are the types that were found.
    assert dry(system, catalog, data)["problem"] is None
    columns = system.http.get(f"/v1/catalogs/{catalog}/mapping").json()["columns"]
    assert columns["Ding"] == {"field": "id", "type": None, "stated": ["field"]}
    assert columns["Breite"] == {"field": None, "type": "number", "stated": []}


def test_a_form_may_say_it_after_the_file(system: System) -> None:
    catalog = system.create_catalog("preview-after")
    lines = b"A,B\n1,p0.jpg\n"
    data = archive([PICTURES[0], ("l.csv", lines)])
    record = ask(system, catalog, data, mapping={"A": "id"}).json()  # httpx sends it first
    assert system.finish(record)["status"] == "succeeded"
    wrong = ask(system, catalog, data, mapping={"Z": "id"}).json()
    done = system.finish(wrong)
    assert (done["status"], done["error"]["code"]) == ("failed", "invalid_request")
    assert "It has: A, B." in done["error"]["detail"]


def test_a_mapping_is_kept_with_the_catalog(system: System) -> None:
    catalog = system.create_catalog("preview-kept")
    path = f"/v1/catalogs/{catalog}/mapping"
    assert system.http.get(path).json() == {"columns": {}}
    put = system.http.put(path, json={"Ding": "id", "Breite": {"type": "text"}, "Bild": "picture"})
    assert put.status_code == 200
    assert system.http.get(path).json()["columns"] == {
        "Ding": {"field": "id", "type": None, "stated": ["field"]},
        "Breite": {"field": None, "type": "text", "stated": ["type"]},
        "Bild": {"field": "picture", "type": None, "stated": ["field"]},
    }
    # One that the file lacks does no harm.
    data = archive([PICTURES[0], ("l.csv", b"Ding,Foto,Breite\n007,p0.jpg,5\n")])
    told = dry(system, catalog, data)
    assert (told["problem"], told["products"][0]["attributes"]) == (None, {"Breite": "5"})
    assert system.http.put(path, json={"Breite": "attribute"}).status_code == 200
    assert dry(system, catalog, data)["problem"]["code"] == "mapping_incomplete"
    for wrong in (["a"], {"a": "wheel"}, {"a": {"field": "id", "kind": 1}}, {"a": {}}):
        assert system.http.put(path, json=wrong).status_code == 422
    assert system.http.put(path, content=b"{").status_code == 422
    assert system.http.delete(path).status_code == 204
    assert system.http.get(path).json() == {"columns": {}}
    for method in ("GET", "DELETE"):
        assert system.http.request(method, "/v1/catalogs/nowhere/mapping").status_code == 404


def test_an_import_reads_by_what_was_said_when_it_was_accepted(system: System) -> None:
    catalog = system.create_catalog("preview-remembered")
    data = archive([PICTURES[0], ("l.csv", b"Ding,Foto,n\n1,p0.jpg,5\n")])
    upload = dry(system, catalog, data)["upload"]
    system.http.put(f"/v1/catalogs/{catalog}/mapping", json={"Ding": "id"})
    record = ask(system, catalog, upload=upload).json()
    ((known,),) = system.query(
        "SELECT m.known FROM import_mappings m JOIN imports i ON i.pk = m.import_pk "
        f"WHERE i.id = '{record['id']}'"
    )
    assert "Ding" in str(known)
    assert system.finish(record)["status"] == "succeeded"


def test_a_replace_is_guarded(system: System) -> None:
    catalog = system.create_catalog("preview-guarded")
    members = [(f"p{i:02}.jpg", picture(i, side=48)) for i in range(30)]
    system.finish(system.upload(catalog, archive(members)))
    half = archive(members[:15])
    before = rows(system, catalog)
    told = dry(system, catalog, half, mode="replace")
    assert told["guard"] == {"guard": 0.2, "products": 30, "remove": 15, "stops": True}
    assert (told["counts"]["remove"], told["problem"]["code"]) == (15, "replace_guarded")
    record = ask(system, catalog, upload=told["upload"], mode="replace").json()
    done = system.finish(record)
    assert (done["status"], done["error"]["code"]) == ("failed", "replace_guarded")
    assert done["error"]["status"] == 409
    assert "remove 15 of the catalog's 30 products (50%); 20% may go" in done["error"]["detail"]
    assert (done["counts"]["searchable"], done["counts"]["decoded"]) == (0, 0)
    after = rows(system, catalog)
    for each in ("products", "images", "attribute_columns", "catalog_mappings"):
        assert after[each] == before[each]
    assert {e["code"] for e in system.items(done)} == {"replace_guarded"}
    # The same file, and the word that it is meant.
    assert dry(system, catalog, upload=told["upload"], mode="replace", guard=0.5)["problem"] is None
    sure = ask(system, catalog, upload=told["upload"], mode="replace", guard=0.5).json()
    assert system.finish(sure)["status"] == "succeeded"
    assert system.http.get(f"/v1/catalogs/{catalog}").json()["products"] == 15


def test_a_few_products_are_not_guarded_unless_it_is_said(system: System) -> None:
    catalog = system.create_catalog("preview-few")
    members = [(f"p{i}.jpg", picture(i, side=48)) for i in range(6)]
    system.finish(system.upload(catalog, archive(members)))
    one = archive(members[:1])
    assert dry(system, catalog, one, mode="replace")["problem"] is None
    strict = system.finish(ask(system, catalog, one, mode="replace", guard=0.1).json())
    assert strict["error"]["code"] == "replace_guarded"
    assert system.finish(ask(system, catalog, one, mode="replace").json())["status"] == "succeeded"
    assert system.http.get(f"/v1/catalogs/{catalog}").json()["products"] == 1
    for wrong in ("1.5", "-0.1", "most"):
        assert ask(system, catalog, one, mode="replace", guard=wrong).status_code == 422


def test_a_replace_keeps_what_broken_rows_name(system: System) -> None:
    catalog = system.create_catalog("preview-broken")
    for i in range(3):
        add(system, catalog, f"p{i}", picture(i))
    lines = table(["id", "image", "t"], ["p0", "p0.jpg", ""], ["p1", "none.jpg", ""], ["p2"])
    data = archive([PICTURES[0], ("l.csv", lines)])
    told = check(system, catalog, data, "replace")
    assert (told["counts"]["remove"], told["counts"]["failed"]) == (0, 2)
    nameless = table(["id", "image"], ["p0", "p0.jpg"], ["", "p1.jpg"])
    told = check(system, catalog, archive([*PICTURES, ("l.csv", nameless)]), "replace")
    assert (told["counts"]["remove"], told["problem"]["code"]) == (0, "replace_incomplete")


def test_an_upload_is_known_by_its_id_for_a_while(system: System) -> None:
    catalog, other = system.create_catalog("preview-upload"), system.create_catalog("preview-other")
    data = archive(PICTURES[:1])
    upload = dry(system, catalog, data)["upload"]
    for options in ({"upload": "nothing"}, {"upload": "nothing", "dry_run": "true"}):
        unknown = ask(system, catalog, **options)
        assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
        assert "kept for 6 hours" in unknown.json()["detail"]
    assert ask(system, other, upload=upload).status_code == 404
    both = ask(system, catalog, data, upload=upload)
    assert (both.status_code, both.json()["errors"][0]["pointer"]) == (422, "upload")
    path = f"/v1/catalogs/{catalog}/imports"
    raw = system.http.post(path, params={"upload": upload}, content=data)
    assert raw.status_code == 422
    key = {"Idempotency-Key": "once-only"}
    once, twice = (system.http.post(path, params={"upload": upload}, headers=key) for _ in range(2))
    assert (once.status_code, once.json()["id"]) == (202, twice.json()["id"])
    assert system.finish(once.json())["status"] == "succeeded"
    assert system.finish(ask(system, catalog, upload=upload).json())["status"] == "succeeded"
    system.query("UPDATE uploads SET created_at = created_at - 22000 WHERE id = ?", upload)
    gone = ask(system, catalog, upload=upload)
    assert (gone.status_code, gone.json()["code"]) == (410, "gone")
    assert "Send it again" in gone.json()["detail"]


def test_what_cannot_be_read_is_not_kept(system: System) -> None:
    catalog = system.create_catalog("preview-unreadable")
    whole = archive(PICTURES)
    for data, status, code in (
        (bytes(range(256)), 415, "unsupported_archive"),
        (whole[: len(whole) // 2], 422, "archive_corrupt"),
        (archive([("a.csv", b"id,image\n"), ("b.csv", b"id,image\n")]), 422, "archive_corrupt"),
        (archive([("a.csv", b"")]), 422, "table_unreadable"),
    ):
        refused = ask(system, catalog, data, dry_run="true")
        assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
        assert "upload" not in refused.json()
    ((kept,),) = system.query(
        "SELECT COUNT(*) FROM uploads u JOIN catalogs c ON c.pk = u.catalog_pk "
        f"WHERE c.name = '{catalog}'"
    )
    assert kept == 0
    assert ask(system, "nowhere", whole, dry_run="true").status_code == 404
