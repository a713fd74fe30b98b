"""Formats that are not read: what each is called, and what its owner can do."""

from __future__ import annotations

import re
from collections.abc import Collection

from visearch.errors import TableUnreadable

SEND = "Send CSV, TSV, XLSX, JSON, NDJSON or XML."
_SAVE = "Save it as .xlsx or as CSV in the program that made it."
_UNPACK = "Unpack it, or send it as an archive."

_BEGINNINGS = (
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an old Excel file (.xls), or one with a password",
        _SAVE,
    ),
    (b"%PDF-", "a PDF", "Send the table that it was made from, as CSV or XLSX."),
    (b"{\\rtf", "a text document (RTF)", SEND),
    (b"\x1f\x8b", "packed with gzip", _UNPACK),
    (b"BZh", "packed with bzip2", _UNPACK),
    (b"\xfd7zXZ\x00", "packed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "packed with zstandard", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it and send a zip."),
    (b"Rar!\x1a\x07", "a rar archive", "Unpack it and send a zip."),
    (b"SQLite format 3\x00", "an SQLite database", "Export the table as CSV."),
    (b"PAR1", "a Parquet file", "Export it as CSV."),
    (b"\xff\xd8\xff", "a picture (JPEG)", SEND),
    (b"\x89PNG\r\n", "a picture (PNG)", SEND),
    (b"GIF8", "a picture (GIF)", SEND),
    (b"PK\x07\x08", "a part of a split zip", "Join its parts and send the whole."),
)
_MEMBERS = (
    ("xl/workbook.bin", "a binary Excel file (.xlsb)", _SAVE),
    ("word/document.xml", "a Word document (.docx)", "Copy its table to a spreadsheet; save that."),
    ("ppt/presentation.xml", "a presentation (.pptx)", SEND),
    ("Index/Document.iwa", "a file of Apple Numbers", "Export it as Excel or CSV."),
    ("Index.zip", "a file of Apple Numbers", "Export it as Excel or CSV."),
    ("META-INF/manifest.xml", "an OpenDocument file (.ods)", _SAVE),
)
DOCUMENTS = frozenset(
    {"[Content_Types].xml", "xl/workbook.xml", *(member for member, _, _ in _MEMBERS)}
)
"""What only the documents of programs have inside, such as workbooks (.xlsx)."""

PAGE = "a web page (HTML)"
_HTML = re.compile(
    r"\s*(?:<!--.{0,1000}?-->\s*)?<(?:!doctype\s+html|html|head|body|table|meta|style)\b",
    re.IGNORECASE | re.DOTALL,
)


def what_is(head: bytes) -> str | None:
    """Say what a file is that begins so, if it is of a known format that is not read."""
    what = next((what for beginning, what, _ in _BEGINNINGS if head.startswith(beginning)), None)
    return what or (PAGE if _HTML.match(head.decode("latin-1")) else None)


def refuse_bytes(head: bytes) -> None:
    """Refuse a file by its first bytes.

    Raises:
        TableUnreadable: it is of a known format that is not read.
    """
    for beginning, what, advice in _BEGINNINGS:
        if head.startswith(beginning):
            raise _refused(what, advice)


def refuse_members(names: Collection[str]) -> None:
    """Refuse a zip by the names of its members.

    Raises:
        TableUnreadable: it is a document of another program.
    """
    for member, what, advice in _MEMBERS:
        if member in names:
            raise _refused(what, advice)


def refuse_page(text: str) -> None:
    """Refuse a text that starts as a web page; some programs write one and call it .xls.

    Raises:
        TableUnreadable: it does.
    """
    if _HTML.match(text):
        raise _refused(PAGE, _SAVE)


def _refused(what: str, advice: str) -> TableUnreadable:
    return TableUnreadable(f"The file is {what}, which visearch does not read. {advice}")
