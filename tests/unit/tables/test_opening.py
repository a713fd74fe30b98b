"""Opening: the kind of a file by its content, and sentences for what is not read."""

from __future__ import annotations

import pytest
from table_files import opened, row, source, workbook

from visearch.errors import ArchiveCorrupt, TableUnreadable
from visearch.tables.opening import open_table

CSV = "id,image\n1,a\n"


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (CSV, "products.csv", "csv"),
        (CSV, "products.xls", "csv"),
        (CSV, "products.xlsx", "csv"),
        (CSV, "products.json", "csv"),
        (CSV, "products", "csv"),
        ("[id],image\n1,a\n", "products.csv", "csv"),
        ("id\n1\n", "products.txt", "csv"),
        ('[{"id": 1}]', "products.csv", "json"),
        ('  \n{"products": [{"id": 1}]}', "products", "json"),
        ('{"products":\n[{"id": 1}]}', "products.json", "json"),
        ('{"products": [\n{"id": 1},\n{"id": 2}]}', "products.ndjson", "json"),
        ('{"id": 1}', "product.json", "ndjson"),
        ('{"id": 1}\n{"id": 2}', "products.json", "ndjson"),
        ('{"id": 1, "images": [{"src": "a"}]}', "products.ndjson", "ndjson"),
        ('{"id": 1,}\n[2]\n{"id": 3}', "products.jsonl", "ndjson"),
        ('{"id": 1},\n{"id": 2},\n', "products.json", "ndjson"),
        ('{"id": "e", "products": [{"id": 1}]}', "products.ndjson", "json"),
        ("{id: 1}\n{}\n" + '{"id": 2}', "products.jsonl", "ndjson"),
        ("<p><x><id>1</id></x><x/></p>", "products.csv", "xml"),
        ('\ufeff<?xml version="1.0"?><p><x><id>1</id></x><x/></p>', "products", "xml"),
        ('\n \ufeff\n<?xml version="1.0"?><p><x><id>1</id></x><x/></p>', "products", "xml"),
        ('\n\ufeff[{"id": 1}]', "products", "json"),
        (workbook(row("id") + row("1")), "products.csv", "xlsx"),
    ],
)
def test_content_tells_the_kind_before_the_name(content: str | bytes, name: str, kind: str) -> None:
    assert opened(content, name).description.kind == kind


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "a.csv", "The file is empty. Send CSV, TSV, XLSX, JSON, NDJSON or XML."),
        (b"\xef\xbb\xbf \r\n", "a.csv", "The file is empty."),
        (b"\x00" * 99, "a.csv", "The file is empty."),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 999, "a.xls", "an old Excel file (.xls)"),
        (b"%PDF-1.7\n", "a.csv", "The file is a PDF, which visearch does not read. Send the table"),
        (b"{\\rtf1 x}", "a.csv", "a text document (RTF)"),
        (b"\x1f\x8b\x08", "a.csv.gz", "packed with gzip, which visearch does not read. Unpack it"),
        (b"\x89PNG\r\n\x1a\n", "a.csv", "a picture (PNG)"),
        (b"<html><table><tr><td>id</td></tr></table>", "a.xls", "a web page (HTML)"),
        (b"\n<!-- x --><!DOCTYPE html>\n<p>", "a.xls", "a web page (HTML)"),
        (bytes(range(256)) * 40, "a.csv", "The file is not text, and of no kind that visearch"),
        (b"hello\n", "a.json", "The file is called .json but does not begin like one."),
        (b"hello\n", "a.xml", "The file is called .xml but does not begin like one."),
    ],
)
def test_what_is_not_read_is_refused_with_a_sentence(content: bytes, name: str, words: str) -> None:
    with pytest.raises(TableUnreadable) as caught:
        open_table(source(content), name)
    assert words in caught.value.detail and caught.value.code == "table_unreadable"
    assert isinstance(caught.value, ArchiveCorrupt)
