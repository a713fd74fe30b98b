"""Tells from its first bytes which kind of archive a file is."""

from __future__ import annotations

from typing import Literal

from visearch.archives.tarheader import BLOCK, checksum_holds
from visearch.errors import UnsupportedArchive

Media = Literal["zip", "tar"]

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OTHERS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"PK\x07\x08": "split zip",
}

_UPLOAD = "Upload a .zip, or a .tar (.tar.gz, .tar.xz and .tar.zst too)."


def sniff(head: bytes) -> Media:
    """Return the kind of archive that starts with ``head``, its first 512 bytes or more.

    Raises:
        UnsupportedArchive: the file is neither a zip nor an uncompressed tar.
    """
    if head.startswith(_ZIP):
        return "zip"
    block = head[:BLOCK]
    # Version 7 tars have no magic number; a valid checksum over a named header is as good.
    if block[257:262] == b"ustar" or (block[:1] > b"\x00" and checksum_holds(block)):
        return "tar"
    raise UnsupportedArchive(_advice(head))


def _advice(head: bytes) -> str:
    for magic, name in _OTHERS.items():
        if head.startswith(magic):
            return f"This is a {name} file, which visearch cannot read. {_UPLOAD}"
    if not head:
        return f"The file is empty. {_UPLOAD}"
    return f"This is not an archive that visearch can read. {_UPLOAD}"
