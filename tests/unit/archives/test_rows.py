"""Tables that are uploaded by themselves: pictures by URL, and rows that cannot be used."""

from __future__ import annotations

import io
from typing import Any

import pytest
from archive_files import make_zip
from table_files import row, workbook

from visearch.archives import Contents, rows
from visearch.errors import ArchiveTooLarge, MappingIncomplete, TableUnreadable
from visearch.records import PlannedItem

URL = "https://shop.example/a.jpg"


def items(data: bytes, name: str = "", media: Any = "table") -> list[PlannedItem]:
    return list(Contents(io.BytesIO(data), media, max_items=10, name=name).items())


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (f"id,image,title\n1,{URL},Lamp\n".encode(), ""),
        (f"id\timage\ttitle\n1\t{URL}\tLamp\n".encode("utf-16"), "a.tsv"),
        (f'[{{"id": "1", "image": "{URL}", "title": "Lamp"}}]'.encode(), ""),
        (f'{{"id": "1", "image": "{URL}", "title": "Lamp"}}'.encode(), "a.ndjson"),
        (
            f"<rows><row><id>1</id><image>{URL}</image><title>Lamp</title></row>"
            "<row><id>2</id><image/><title>x</title></row></rows>".encode(),
            "a.xml",
        ),
    ],
)
def test_pictures_are_named_by_url(data: bytes, name: str) -> None:
    first = items(data, name)[0]
    assert (first.product_id, first.title, first.path, first.code) == ("1", "Lamp", URL, None)
    assert (first.locator, first.position) == ({"url": URL}, 0)


def test_a_workbook_is_no_archive_although_it_is_a_zip() -> None:
    data = workbook(row("id", "image") + row("1", URL))
    assert [item.locator for item in items(data, media="zip")] == [{"url": URL}]
    with pytest.raises(TableUnreadable, match="Word document"):
        items(make_zip([("[Content_Types].xml", b"x"), ("word/document.xml", b"x")]), media="zip")


def test_what_is_no_url_fails_alone() -> None:
    found = items(f"id,image\n1,a.jpg|{URL}\n2,ftp://x/a.jpg\n3,HTTPS://x/b.jpg\n,{URL}\n".encode())
    assert [(item.product_id, item.position, item.code) for item in found] == [
        ("1", 0, "picture_not_a_url"),
        ("1", 1, None),
        ("2", 0, "picture_not_a_url"),
        ("", 0, "invalid_manifest_row"),
        ("3", 0, None),
    ]
    assert found[0].detail and found[0].detail.startswith("Line 2: the picture is not an http")
    assert found[3].detail == "Line 5: the row has no id."


def test_a_url_longer_than_any_fails_alone() -> None:
    found = items(f"id,image\n1,https://x/{'a' * 5000}\n2,{URL}\n".encode())
    assert [item.code for item in found] == ["url_error", None]


def test_a_text_that_lists_no_products_is_refused() -> None:
    with pytest.raises(MappingIncomplete):
        items(b"dear all,\nthe pictures follow tomorrow,\n", "note.txt")


def test_a_table_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "LARGEST", 20)
    with pytest.raises(ArchiveTooLarge, match="20 bytes"):
        items(f"id,image\n1,{URL}\n".encode())
    monkeypatch.undo()
    with pytest.raises(ArchiveTooLarge, match="10 items"):
        items(("id,image\n" + "".join(f"{i},{URL}\n" for i in range(11))).encode())
