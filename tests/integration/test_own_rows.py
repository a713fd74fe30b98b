"""The merchant's own table with each row's fate: corrected, and uploaded again as it is."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
from shop import add
from system import System, archive, picture

ADDED = ["fate", "code", "reason"]
TABLE = """id;Titel;Foto;code;Notiz
00123;Gut;gut.jpg;c1;=1+1
00124;Fehlt;fehlt.jpg;c2;-5
00125;Kaputt;kaputt.jpg;c3;@home
;Ohne;gut.jpg;c4;
00126;Halb;gut.jpg|fehlt.jpg;c5;
"""


def rows(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def own(system: System, record: dict[str, Any], **query: str) -> httpx.Response:
    path = f"/v1/catalogs/{record['catalog']}/imports/{record['id']}/items"
    return system.http.get(path, params={"columns": "own", **query})


def test_what_failed_is_downloaded_corrected_and_uploaded_again(system: System) -> None:
    catalog = system.create_catalog("own-rows")
    files = [
        ("tabelle.csv", TABLE.encode()),
        ("gut.jpg", picture(1)),
        ("kaputt.jpg", b"no picture"),
    ]
    done = system.finish(system.upload(catalog, archive(files)))

    answer = own(system, done)
    table = rows(answer)
    header = answer.text.partition("\r\n")[0].split(",")
    assert header == ["id", "Titel", "Foto", "code", "Notiz", *ADDED]
    by_title = {row["Titel"]: row for row in table}
    assert {title: row["fate"] for title, row in by_title.items()} == {
        "Gut": "searchable",
        "Fehlt": "failed",
        "Kaputt": "failed",
        "Ohne": "failed",
        "Halb": "partial",
    }
    assert "no such file" in by_title["Fehlt"]["reason"]
    assert "Manifest line 5" in by_title["Ohne"]["reason"]
    assert by_title["Halb"]["reason"].startswith("fehlt.jpg: ")
    assert by_title["Gut"]["id"] == "00123"
    notes = [row["Notiz"] for row in table]
    assert notes[:3] == ["'=1+1", "-5", "'@home"]

    failed = own(system, done, status="failed")
    assert [row["Titel"] for row in rows(failed)] == ["Fehlt", "Kaputt", "Ohne", "Halb"]
    assert [row["Titel"] for row in rows(own(system, done, status="searchable"))] == ["Gut"]

    fixed = failed.text.replace("\r\n,Ohne,", "\r\n00127,Ohne,")
    mended = [("kaputt.jpg", picture(2)), ("fehlt.jpg", picture(3)), ("gut.jpg", picture(1))]
    again = archive([("fixed.csv", fixed.encode()), *mended])
    second = system.finish(system.upload(catalog, again))
    assert (second["status"], second["counts"]["searchable"]) == ("succeeded", 5)
    path = f"/v1/catalogs/{catalog}/products"
    products = {p["id"]: p for p in system.http.get(path).json()["items"]}
    assert sorted(products) == ["00123", "00124", "00125", "00126", "00127"]
    assert products["00125"]["attributes"] == {"code": "c3", "Notiz": "@home"}
    assert products["00124"]["attributes"] == {"code": "c2", "Notiz": "-5"}
    assert products["00124"]["title"] == "Fehlt"
    assert {row["fate"] for row in rows(own(system, second))} == {"searchable"}
    header = own(system, second).text.partition("\r\n")[0].split(",")
    assert header == ["id", "Titel", "Foto", "code", "Notiz", *ADDED]


def test_without_a_table_there_is_a_reason(system: System) -> None:
    catalog = system.create_catalog("own-none")
    put = add(system, catalog, "a", picture(1))
    pictures = system.finish(system.upload(catalog, archive([("a.jpg", picture(1))])))
    broken = system.finish(system.upload(catalog, archive([("t.csv", b"colour\nred\n")])))
    for record, words in ((put, "by itself"), (pictures, "pictures only"), (broken, "be read")):
        answer = own(system, record)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict"), answer.text
        assert words in answer.json()["detail"]
    assert own(system, pictures, stage="fetch").status_code == 422
    assert own(system, pictures, columns="all").status_code == 422
    system.query("UPDATE imports SET source = '' WHERE id = ?", pictures["id"])
    answer = own(system, pictures)
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")
    for _ in range(40):  # each gave its place among the downloads back
        assert own(system, put).status_code == 409


def test_what_was_cancelled_says_so(system: System) -> None:
    catalog = system.create_catalog("own-cancelled")
    names = [f"p{i:03}" for i in range(300)]
    table = "id,image\n" + "".join(f"{name},{name}.jpg\n" for name in names)
    files = [(f"{name}.jpg", picture(i, side=500)) for i, name in enumerate(names)]
    record = system.upload(catalog, archive([("t.csv", table.encode()), *files]))
    system.http.delete(f"/v1/catalogs/{catalog}/imports/{record['id']}").raise_for_status()
    done = system.finish(record)
    told = rows(own(system, done))
    assert len(told) == 300
    failed = [row for row in told if row["fate"] == "failed"]
    assert failed and {row["code"] for row in failed} == {"cancelled"}
    assert len(told) - len(failed) == done["counts"]["searchable"]


def test_a_table_by_itself_is_read_as_it_was_imported(system: System) -> None:
    catalog = system.create_catalog("own-by-itself")
    table = "Ding,Bild,Titel\nA1,http://127.0.0.3/a.jpg,Rot\nA2,b.jpg,Blau\n,b.jpg,Ohne\n"
    files = {"file": ("shop.csv", table.encode()), "mapping": (None, '{"Ding": "id"}')}
    sent = system.http.post(f"/v1/catalogs/{catalog}/imports", files=files)
    assert sent.status_code == 202, sent.text
    done = system.finish(sent.json())
    # What the catalog learns later is not what the import was accepted with.
    forgotten = system.http.delete(f"/v1/catalogs/{catalog}/mapping")
    assert forgotten.status_code == 204
    told = rows(own(system, done))
    assert [(row["Titel"], row["fate"], row["code"]) for row in told] == [
        ("Rot", "failed", "url_refused_address"),
        ("Blau", "failed", "picture_not_a_url"),
        ("Ohne", "failed", "invalid_manifest_row"),
    ]
    assert [row["reason"].partition(":")[0] for row in told[1:]] == ["Line 3", "Line 4"]
