"""Manifests: which rows become which items, and how a broken one is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from archive_files import MAKERS, items, pictures

from visearch.archives import Media, manifest
from visearch.errors import ArchiveCorrupt, ArchiveError, ArchiveTooLarge
from visearch.records import PlannedItem

A, B = ("p/a.jpg", b"A"), ("p/b.jpg", b"B")
TXT = ("README.txt", b"r")


@pytest.fixture(params=["zip", "tar"])
def media(request: pytest.FixtureRequest) -> Media:
    return request.param


def csv_items(text: str | bytes, *, max_items: int = 1000) -> list[PlannedItem]:
    raw = text if isinstance(text, bytes) else text.encode()
    return items(MAKERS["zip"]([A, B, TXT, ("manifest.csv", raw)]), max_items=max_items)


def json_items(*rows: Any) -> list[PlannedItem]:
    raw = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    return items(MAKERS["zip"]([A, B, TXT, ("manifest.jsonl", raw.encode())]))


@pytest.mark.parametrize("folder", ["", "shop/"])
@pytest.mark.parametrize("name", ["manifest.csv", "Products.CSV"])
def test_csv(media: Media, folder: str, name: str) -> None:
    rows = b"\xef\xbb\xbfID,Image,title,url,Colour,size\r\n1,p/b.jpg|p/a.jpg,T,http://u,red,\r\n"
    data = MAKERS[media]([(folder + n, c) for n, c in (A, B, TXT, (name, rows))])
    planned = items(data, media)
    assert [(i.product_id, i.path, i.position) for i in planned] == [
        ("1", folder + "p/b.jpg", 0),
        ("1", folder + "p/a.jpg", 1),
    ]
    assert {(i.title, i.url) for i in planned} == {("T", "http://u")}
    assert planned[0].attributes == {"Colour": "red"}
    assert pictures(data, planned, media) == [b"B", b"A"]


def test_ndjson(media: Media) -> None:
    rows = (
        b'{"id": 7, "image": ["p/a.jpg", "p/b.jpg"], "price": 9.5, "new": true, "none": null}\n'
        b'\n{"id": "8", "image": "p/b.jpg", "tags": ["x", "y"], "title": "B"}'
    )
    planned = items(MAKERS[media]([A, B, ("manifest.ndjson", rows)]), media)
    assert [(i.product_id, i.path, i.position) for i in planned] == [
        ("7", "p/a.jpg", 0),
        ("7", "p/b.jpg", 1),
        ("8", "p/b.jpg", 0),
    ]
    assert planned[0].attributes == {"price": 9.5, "new": True}
    assert planned[2].attributes == {"tags": ["x", "y"]} and planned[2].title == "B"


def test_rows_of_one_product_are_one_product() -> None:
    planned = csv_items("sku,image\n1,p/a.jpg\n2,p/a.jpg\n1,nope.jpg|p/b.jpg\n")
    assert [(i.product_id, i.position, i.code) for i in planned] == [
        ("2", 0, None),
        ("1", 0, None),
        ("1", 1, "picture_missing"),
        ("1", 2, None),
    ]
    assert planned[2].detail == "Manifest line 4: the archive has no such file."


def test_rows_that_cannot_be_used_name_their_line() -> None:
    planned = csv_items('id,image,t\n,p/a.jpg,"a\nb"\n\n5, ,x\n6,https://x/y.jpg,\n')
    assert [(i.product_id, i.code) for i in planned] == [
        ("", "invalid_manifest_row"),
        ("5", "invalid_manifest_row"),
        ("6", None),
    ]
    assert [i.detail.split(":")[0] for i in planned if i.detail] == [
        "Manifest line 2",
        "Manifest line 5",
    ]
    assert planned[2].locator == {"url": "https://x/y.jpg"}


@pytest.mark.parametrize(
    ("title", "url", "word"),
    [("x" * 2001, "", "title"), ("", "u" * 4001, "URL")],
)
def test_texts_that_no_product_can_have_refuse_their_row(title: str, url: str, word: str) -> None:
    bad, good = csv_items(f"id,image,title,url\n1,p/a.jpg,{title},{url}\n2,p/a.jpg,b,\n")
    assert (bad.code, good.code) == ("invalid_manifest_row", None)
    assert bad.detail is not None and bad.detail.startswith(f"Manifest line 2: the {word} h")


@pytest.mark.parametrize("path", ["./p/a.jpg", "p\\a.jpg", "/p/a.jpg", "p/x/../a.jpg", " p/a.jpg "])
def test_paths_are_normalised(path: str) -> None:
    assert csv_items(f"id,image\n1,{path}\n")[0].path == "p/a.jpg"


def test_composed_and_decomposed_names_meet() -> None:
    rows = "id,image\n1,caf\u00e9.jpg\n".encode()
    planned = items(MAKERS["zip"]([("cafe\u0301.jpg", b"c"), ("manifest.csv", rows)]))
    assert planned[0].code is None


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("P/A.JPG", None),
        ("p%2Fa.jpg", None),
        ("x/p/a.jpg", None),
        ("a.jpg", None),
        ("p/a.png", "p/a.jpg"),
        ("q/a.jpg", "p/a.jpg"),
        ("p/c.jpg", ""),
    ],
)
def test_a_name_that_is_spelled_otherwise_is_taken_or_named(path: str, near: str | None) -> None:
    (item,) = csv_items(f"id,image\n1,{path}\n")
    if near is None:
        assert (item.path, item.code) == ("p/a.jpg", None)
        return
    assert item.code == ("name_not_found" if near else "picture_missing")
    assert item.path == path and near in str(item.detail)


def test_of_two_members_of_one_name_the_last_wins() -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        data = MAKERS["zip"]([A, ("p/a.jpg", b"newer"), ("m.csv", b"id,image\n1,p/a.jpg\n")])
    assert pictures(data, items(data)) == [b"newer"]


@pytest.mark.parametrize("key", ["x" * 513, "a\x07b"])
def test_product_ids_are_checked(key: str) -> None:
    text = f"id,image,title\n{key},p/a.jpg,A title of many letters\n2,p/b.jpg,Another\n"
    bad, good = csv_items(text)
    assert (bad.code, good.code) == ("invalid_product_id", None)


@pytest.mark.parametrize(
    "row",
    [
        {"id": "1", "image": "p/a.jpg", "x": "nul\0"},
        {"id": "1", "image": "p/a.jpg", "x": "\ud800"},
        {"id": "1", "image": "p/a.jpg", "x": float("nan")},
        {"id": "1"},
        {"image": "p/a.jpg"},
    ],
)
def test_json_rows_of_wrong_types_fail_alone(row: dict[str, Any]) -> None:
    bad, good = json_items(row, {"id": "2", "image": "p/b.jpg"})
    assert bad.code == "invalid_manifest_row" and "line 1" in (bad.detail or "")
    assert (bad.detail or "").encode() and good.code is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The file is empty"),
        ("image,title\n", "hold the product's id. Its columns are: image, title"),
        ("id,title\n", "hold the product's pictures. Its columns are: id, title"),
    ],
)
def test_a_table_that_lists_no_products_refuses_the_archive(text: str, message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        csv_items(text)


@pytest.mark.parametrize(
    "odd",
    [
        "5",
        "5,p/a.jpg,a title,too,much",
        '5,"p/a.jpg',
        f"5,p/a.jpg,{'x' * 2_000_000}",
    ],
)
def test_an_odd_row_fails_alone(odd: str) -> None:
    planned = csv_items(f"id,image,title\n1,p/a.jpg,A\n{odd}\n2,p/b.jpg,B\n")
    fates = {item.product_id: item.code for item in planned}
    assert (fates["1"], fates["2"], fates["5"]) == (None, None, "invalid_manifest_row")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig", "utf-8"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_is_read_however_it_was_saved(encoding: str, delimiter: str) -> None:
    rows = [("id", "image", "title"), ("1", "p/a.jpg", "Café au lait, très chaud")]
    text = "\r\n".join(
        delimiter.join(f'"{cell}"' if "," in cell else cell for cell in row) for row in rows
    )
    (item,) = csv_items(text.encode(encoding))
    assert (item.product_id, item.code, item.title) == ("1", None, "Café au lait, très chaud")


def test_a_trailing_empty_column_is_no_attribute() -> None:
    assert csv_items("id,image,\n1,p/a.jpg,\n")[0].attributes == {}


def test_several_tables_are_refused() -> None:
    rows = b"id,image\n"
    for names in (("a.csv", "b.csv"), ("manifest.csv", "x/y/b.tsv"), ("a.json", "b.xml")):
        with pytest.raises(ArchiveCorrupt, match=r"several tables \(.*Keep the one"):
            items(MAKERS["zip"]([(name, rows) for name in names]))


@pytest.mark.parametrize("media", MAKERS)
@pytest.mark.parametrize("folder", ["", "shop/", "a/b/c/"])
def test_a_table_at_any_depth_is_the_manifest(media: Media, folder: str) -> None:
    members = [(f"{folder}list.tsv", b"SKU\tImage\n1\tx/a.jpg\n"), (f"{folder}x/a.jpg", b"A")]
    (item,) = items(MAKERS[media]([*members, ("__MACOSX/._list.tsv", b"junk")]), media)
    assert (item.product_id, item.path, item.code) == ("1", f"{folder}x/a.jpg", None)


@pytest.mark.parametrize("media", MAKERS)
def test_a_table_of_something_else_refuses_the_archive(media: Media) -> None:
    """As a file like others it would be a product, and a replace would remove all the others."""
    members = [("index.csv", b"file,kind,detail\na.jpg,fine,\n"), ("a.jpg", b"")]
    with pytest.raises(ArchiveError, match="hold the product's id"):
        items(MAKERS[media](members), media)


def test_a_text_is_the_manifest_if_it_lists_products() -> None:
    (item,) = items(MAKERS["zip"]([A, TXT, ("feed.txt", b"id\timage\n1\tp/a.jpg\n")]))
    assert (item.product_id, item.path) == ("1", "p/a.jpg")


ROWS = b"id,image\n1,p/a.jpg\n2,p/a.jpg\n"
FEED = (
    b"<rss><channel><item><id>1</id><image>p/a.jpg</image></item>"
    b"<item><id>2</id><image>p/a.jpg</image></item></channel></rss>"
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("feed.rss", FEED),
        ("feed.atom", FEED),
        ("products", ROWS),
        ("shop.v2/manifest", FEED),
        ("Products.CSV ", ROWS),
    ],
)
def test_a_table_is_the_manifest_whatever_its_name_ends_with(
    media: Media, name: str, content: bytes
) -> None:
    bare = [(f"p/q/{n}", b"\xff\xd8\xff") for n in range(50)]
    planned = items(MAKERS[media]([A, *bare, ("LICENSE", b"a, b\n"), (name, content)]), media)
    assert [(item.product_id, item.path, item.code) for item in planned] == [
        ("1", "p/a.jpg", None),
        ("2", "p/a.jpg", None),
    ]


@pytest.mark.parametrize("name", ["products.csv.gz", "feed.xml.zst", "list.tsv.xz"])
def test_a_packed_table_refuses_the_archive(name: str) -> None:
    for head in (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00"):
        with pytest.raises(ArchiveError, match="Unpack it"):
            items(MAKERS["zip"]([A, (name, head + b"\x08 packed")]))


@pytest.mark.parametrize("name", ["drawing.svg", "old.csv.bak", "gallery.js", "content.opf"])
def test_what_else_lists_pictures_is_no_manifest(name: str) -> None:
    planned = items(MAKERS["zip"]([A, (name, ROWS)]))
    assert (planned[0].product_id, planned[0].path) == ("p/a", "p/a.jpg")


def test_files_that_are_no_table_are_pictures_whatever_their_names() -> None:
    bare = [("Dr. Martens", b"\xff\xd8\xff"), ("x/b", b"\x89PNG\r\n"), ("LICENSE", b"Free, all")]
    assert [item.path for item in items(MAKERS["zip"](bare))] == [name for name, _ in bare]


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "id,image\n1,p/a.jpg|p/b.jpg\n2,p/a.jpg|p/b.jpg\n"
    assert len(csv_items(text, max_items=4)) == 4
    with pytest.raises(ArchiveTooLarge):
        csv_items(text, max_items=3)
    monkeypatch.setattr(manifest, "LARGEST", 10)
    with pytest.raises(ArchiveTooLarge, match="manifest"):
        csv_items(text)


def test_an_unreadable_manifest_is_refused() -> None:
    data = MAKERS["zip"]([("manifest.csv", b"id,image\n")])
    at = data.rindex(b"PK\x01\x02")
    with pytest.raises(ArchiveCorrupt, match="encrypted"):
        items(data[: at + 8] + b"\x01" + data[at + 9 :])
    with pytest.raises(ArchiveCorrupt):  # another CRC-32
        items(data[: at + 16] + bytes(4) + data[at + 20 :])
