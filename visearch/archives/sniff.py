"""Tells from its first bytes whether an uploaded file is a zip, a tar or a table by itself."""

from __future__ import annotations

from typing import Literal

from visearch.archives.tarheader import BLOCK, checksum_holds
from visearch.errors import UnsupportedArchive
from visearch.fetching.sniff import kind_of
from visearch.tables.foreign import PAGE, what_is
from visearch.tables.opening import is_text

Media = Literal["zip", "tar", "table"]

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")

_SEND = (
    "Send a .zip, a .tar (.tar.gz, .tar.xz and .tar.zst too), or a table as CSV, TSV, XLSX, "
    "JSON, NDJSON or XML."
)

_ADDRESS = " If it came from an address, that shows a page, perhaps to sign in, and not the file."


def sniff(head: bytes) -> Media:
    """Return what starts with ``head``, its first 512 bytes or more.

    A workbook (.xlsx) is a zip, too; only its directory tells. A text is taken for a table: whether
    it is one is seen when it is read.

    Raises:
        UnsupportedArchive: the file is none of these.
    """
    if head.startswith(_ZIP):
        return "zip"
    block = head[:BLOCK]
    # Version 7 tars have no magic number; a valid checksum over a named header is as good.
    if block[257:262] == b"ustar" or (block[:1] > b"\x00" and checksum_holds(block)):
        return "tar"
    if not head:
        raise UnsupportedArchive(f"The file is empty. {_SEND}")
    if what := "a picture" if kind_of(head).is_picture else what_is(head):
        hint = _ADDRESS if what == PAGE else ""
        raise UnsupportedArchive(f"The file is {what}, which visearch does not read. {_SEND}{hint}")
    if is_text(head):
        return "table"
    raise UnsupportedArchive(
        f"The file is neither an archive nor text, but binary data of an unknown kind. {_SEND}"
    )
