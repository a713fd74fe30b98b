"""The files an import takes: zip and tar, with and without a manifest, and what it refuses."""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
import random
import tarfile
from typing import Any

import pytest
from backports import zstd
from shop import find, ids, wait_fresh
from system import System, archive, picture

Members = list[tuple[str, bytes]]


def _tar(members: Members) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _csv(rows: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


PICTURES: Members = [(f"img/{i}.jpg", picture(i)) for i in range(4)]
OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512)
CSV_MANIFEST = _csv(
    [
        ["sku", "image", "title", "url", "Colour", "größe"],
        ["A-1", "img/0.jpg|img/1.jpg", "Lamp, red", "https://shop.example/1", "red", "1"],
        ["A-2", "img/2.jpg", "", "", "", "2"],
    ]
)
NDJSON_MANIFEST = b"\n".join(
    json.dumps(row).encode()
    for row in (
        {
            "id": "A-1",
            "image": ["img/0.jpg", "img/1.jpg"],
            "title": "Lamp",
            "price": 5,
            "new": True,
        },
        {"id": 2, "image": "img/2.jpg", "tags": ["a", "b"]},
    )
)


def _import(system: System, catalog: str, data: bytes, media: str = "application/zip") -> Any:
    return wait_fresh(system, system.finish(system.upload(catalog, data, media=media)))


@pytest.mark.parametrize("pack", [archive, _tar])
def test_folders_and_names_become_products(system: System, pack: Any) -> None:
    catalog = system.create_catalog(f"folders-{pack.__name__.strip('_')}")
    members = [("root.jpg", picture(1)), ("shoes/red/a.b.png", picture(2, form="PNG"))]
    litter = [("__MACOSX/._root.jpg", b"x"), (".DS_Store", b"x")]
    done = _import(system, catalog, pack([*members, *litter]))
    assert (done["status"], done["counts"]["items"]) == ("succeeded", 2)
    hits = find(system, catalog, picture(2))["results"]
    assert [(hit["product_id"], hit["attributes"]) for hit in hits] == [
        ("shoes/red/a.b", {"folder": "red"}),
        ("root", {}),
    ]
    assert ids(find(system, catalog, picture(2), filter={"folder": "red"})) == ["shoes/red/a.b"]


def test_a_csv_manifest_describes_products(system: System) -> None:
    catalog = system.create_catalog("csv-manifest")
    done = _import(system, catalog, archive([*PICTURES, ("manifest.csv", CSV_MANIFEST)]))
    assert (done["status"], done["counts"]["items"]) == ("succeeded", 3)
    hit = find(system, catalog, picture(1), limit=1)["results"][0]
    assert (hit["product_id"], hit["title"]) == ("A-1", "Lamp, red")
    assert hit["url"] == "https://shop.example/1"
    assert hit["attributes"] == {"Colour": "red", "größe": 1}
    product = system.http.get(f"/v1/catalogs/{catalog}/products/A-1").json()
    assert len(product["images"]) == 2
    other = system.http.get(f"/v1/catalogs/{catalog}/products/A-2").json()
    assert (other["title"], other["attributes"]) == (None, {"größe": 2})
    assert ids(find(system, catalog, picture(0), filter={"größe": "2"})) == ["A-2"]


def test_an_ndjson_manifest_keeps_types(system: System) -> None:
    catalog = system.create_catalog("ndjson-manifest")
    data = _tar([("manifest.ndjson", NDJSON_MANIFEST), *PICTURES])
    done = _import(system, catalog, data, media="application/x-tar")
    assert done["counts"]["searchable"] == 3
    found = find(system, catalog, picture(0), filter={"price": {"lte": 5}, "new": True})
    assert set(ids(found)) == {"A-1"}
    assert found["results"][0]["attributes"] == {"price": 5, "new": True}
    assert ids(find(system, catalog, picture(0), filter={"tags": "b"})) == ["2"]


def test_a_manifest_row_that_cannot_be_used_fails_alone(system: System) -> None:
    catalog = system.create_catalog("bad-rows")
    rows = [["id", "image"], ["a", "img/0.jpg"], ["b", "none.jpg"], ["", "img/1.jpg"], ["c", ""]]
    remote = [["d", "http://127.0.0.1/d.jpg"]]
    data = archive([*PICTURES, ("manifest.csv", _csv(rows + remote))])
    done = system.finish(system.upload(catalog, data))
    assert (done["status"], done["counts"]["searchable"]) == ("partial", 1)
    failed = system.items(done, status="failed")
    assert sorted((item["product_id"], item["code"]) for item in failed) == [
        ("", "invalid_manifest_row"),
        ("b", "picture_missing"),
        ("c", "invalid_manifest_row"),
        ("d", "url_refused_address"),
    ]


def test_a_form_is_as_good_as_a_body(system: System) -> None:
    catalog = system.create_catalog("by-form")
    path = f"/v1/catalogs/{catalog}/imports"
    answer = system.http.post(path, files={"file": ("c.zip", archive(PICTURES), "text/plain")})
    assert answer.status_code == 202
    assert system.finish(answer.json())["counts"]["searchable"] == 4
    without = system.http.post(path, files={"zip": ("c.zip", archive(PICTURES))})
    assert (without.status_code, without.json()["errors"][0]["pointer"]) == (422, "file")


def test_a_body_without_a_length_is_streamed(system: System) -> None:
    catalog = system.create_catalog("chunked")
    data = archive(PICTURES)
    pieces = (data[i : i + 1000] for i in range(0, len(data), 1000))
    answer = system.http.post(f"/v1/catalogs/{catalog}/imports", content=pieces)
    assert answer.status_code == 202, answer.text
    assert system.finish(answer.json())["counts"]["searchable"] == 4


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zstd.compress])
def test_a_compressed_tar_is_as_good_as_a_plain_one(system: System, pack: Any) -> None:
    catalog = system.create_catalog(f"packed-{pack.__module__.split('.')[0]}")
    done = _import(system, catalog, pack(_tar([*PICTURES, ("manifest.csv", CSV_MANIFEST)])))
    assert (done["status"], done["counts"]["items"]) == ("succeeded", 3)
    assert ids(find(system, catalog, picture(2), limit=1)) == ["A-2"]
    cut = system.http.post(f"/v1/catalogs/{catalog}/imports", content=pack(_tar(PICTURES))[:-20])
    assert (cut.status_code, cut.json()["code"]) == (422, "archive_corrupt")


def test_a_replace_whose_table_is_not_understood_removes_nothing(system: System) -> None:
    """It would be a product without a picture, and all others would be absent."""
    catalog = system.create_catalog("kept")
    _import(system, catalog, archive([*PICTURES, ("manifest.csv", CSV_MANIFEST)]))
    for table in (b"name,description\nlamp,red\n", OLD_EXCEL):
        data = archive([("img/0.jpg", picture(0)), ("export/products.csv", table)])
        done = system.finish(system.upload(catalog, data, mode="replace"))
        assert (done["status"], done["counts"]["items"]) == ("failed", 0), done
    listed = system.http.get(f"/v1/catalogs/{catalog}/products").json()["items"]
    assert [product["id"] for product in listed] == ["A-1", "A-2"]


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(600), "7z"),
        (picture(1), "a picture"),
        (OLD_EXCEL, "an old Excel file"),
        (bytes(range(256)) * 8, "neither an archive nor text"),
    ],
)
def test_what_is_no_catalog_is_refused_at_once(system: System, data: bytes, word: str) -> None:
    catalog = system.create_catalog("no-archive")
    answer = system.http.post(f"/v1/catalogs/{catalog}/imports", content=data)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_archive")
    assert word in answer.json()["detail"]
    assert system.http.get(f"/v1/catalogs/{catalog}/imports").json()["items"] == []
    missing = system.http.post("/v1/catalogs/no-such/imports", content=archive(PICTURES))
    assert missing.status_code == 404


@pytest.mark.parametrize(
    ("code", "data"),
    [
        ("archive_corrupt", archive([])),
        ("archive_corrupt", archive(PICTURES)[:-40]),
        ("archive_corrupt", _tar(PICTURES)[:5000]),
        (
            "archive_corrupt",
            archive([*PICTURES, ("a.csv", b"id,image\n"), ("b.csv", b"id,image\n")]),
        ),
        ("mapping_incomplete", archive([*PICTURES, ("manifest.csv", b"id,title\n1,x\n")])),
        (
            "table_unreadable",
            archive([*PICTURES, ("prices.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")]),
        ),
    ],
    ids=["empty", "cut zip", "cut tar", "two tables", "no image column", "old Excel"],
)
def test_a_file_that_cannot_be_read_fails_with_its_reason(
    system: System, code: str, data: bytes
) -> None:
    catalog = system.create_catalog("unreadable")
    done = system.finish(system.upload(catalog, data))
    assert (done["status"], done["progress"]) == ("failed", 1)
    assert (done["error"]["code"], done["error"]["status"]) == (code, 422)
    assert len(done["error"]["detail"]) > 10
    assert done["error"]["instance"] == f"/v1/catalogs/{catalog}/imports/{done['id']}"
    listed = system.http.get(f"/v1/catalogs/{catalog}/imports").json()["items"][0]
    assert listed == done


def test_a_form_may_hold_other_parts_and_several_pieces(system: System) -> None:
    catalog = system.create_catalog("files-form-parts")
    noise = random.Random(0).randbytes(3 << 20)  # more than one piece of the stream
    data = archive([("a.jpg", picture(1)), ("noise.bin", noise), ("b.jpg", picture(2))])
    answer = system.http.post(
        f"/v1/catalogs/{catalog}/imports",
        data={"note": "before"},
        files=[("other", ("o.zip", b"no")), ("file", ("f.zip", data)), ("file", ("g.zip", b"no"))],
    )
    counts = system.finish(answer.raise_for_status().json())["counts"]
    assert (counts["items"], counts["searchable"]) == (3, 2)


@pytest.mark.parametrize(
    ("body", "boundary"),
    [
        (b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nPK', "x"),
        (b"nothing", "x"),
        (b"--x--\r\n", "x"),
        (b"--x\r\n" + b"a" * (2 << 20), "x"),
        (b"--x--\r\n", "\u00e9"),
    ],
    ids=["cut off", "no part", "empty", "endless headers", "odd boundary"],
)
def test_a_form_that_is_none_is_refused(system: System, body: bytes, boundary: str) -> None:
    catalog = system.create_catalog("files-bad-form")
    kind = f"multipart/form-data; boundary={boundary}".encode("latin-1")
    answer = system.http.post(
        f"/v1/catalogs/{catalog}/imports", content=body, headers={b"Content-Type": kind}
    )
    assert answer.status_code in (413, 415, 422), answer.text
    assert system.http.get(f"/v1/catalogs/{catalog}/imports").json()["items"] == []
