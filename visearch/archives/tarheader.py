"""One 512 byte tar header: its numbers, its name, its checksum."""

from __future__ import annotations

import re
from typing import NamedTuple

from visearch.errors import ArchiveCorrupt

BLOCK = 512
_CHECKSUM = slice(148, 156)
_OCTAL = re.compile(rb"[ \x00]*([0-7]*)[ \x00]*")


class Header(NamedTuple):
    """The fields of a header that matter here. ``kind`` is the type flag; size in bytes."""

    name: bytes
    size: int
    kind: bytes
    more: bool  # an old GNU sparse header goes on in further blocks


def parse(block: bytes) -> Header:
    """Read a header block of 512 bytes.

    Raises:
        ArchiveCorrupt: its checksum or its size does not hold.
    """
    size = _number(block[124:136])
    if size is None or not checksum_holds(block):
        raise broken()
    name = _text(block[0:100])
    kind = block[156:157]
    # Only POSIX tars have a prefix; the GNU format keeps other things in its place.
    if block[257:263] == b"ustar\x00" and (prefix := _text(block[345:500])):
        name = prefix + b"/" + name
    return Header(name, size, kind, kind == b"S" and block[482] != 0)


def checksum_holds(block: bytes) -> bool:
    """Whether 512 bytes are a header whose own checksum is right."""
    if len(block) != BLOCK:
        return False
    rest = block[:148] + b" " * 8 + block[156:]
    stated, unsigned = _number(block[_CHECKSUM]), sum(rest)
    # Some early writers summed signed characters, which differs for names beyond ASCII.
    return stated == unsigned or stated == unsigned - 256 * sum(byte > 127 for byte in rest)


def broken() -> ArchiveCorrupt:
    """The error for a tar that breaks its own format."""
    return ArchiveCorrupt("The tar file is cut off or broken; make it and upload it anew.")


def _text(field: bytes) -> bytes:
    return field.partition(b"\x00")[0]


def _number(field: bytes) -> int | None:
    """Octal text, or base 256 when the first bit says so; None when it is neither."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    match = _OCTAL.fullmatch(field)
    return None if match is None else int(match[1] or b"0", 8)
