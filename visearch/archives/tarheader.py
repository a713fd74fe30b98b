"""A tar header of 512 bytes: its numbers, its name, its checksum."""

from __future__ import annotations

import re
from typing import NamedTuple

from visearch.errors import ArchiveCorrupt

BLOCK = 512
_CHECKSUM = slice(148, 156)
_OCTAL = re.compile(rb"[ \x00]*([0-7]*)[ \x00]*")


class Header(NamedTuple):
    """The fields that matter here; ``kind`` is the type flag, ``size`` is in bytes."""

    name: bytes
    size: int
    kind: bytes
    more: bool  # an old GNU sparse header continues in further blocks


def parse(block: bytes) -> Header:
    """Read a header block of 512 bytes.

    Raises:
        ArchiveCorrupt: its checksum or its size is wrong.
    """
    size = _number(block[124:136])
    if size is None or not checksum_holds(block):
        raise broken()
    name = _text(block[0:100])
    kind = block[156:157]
    # Only POSIX tars have a prefix; the GNU format stores other things in its place.
    if block[257:263] == b"ustar\x00" and (prefix := _text(block[345:500])):
        name = prefix + b"/" + name
    return Header(name, size, kind, kind == b"S" and block[482] != 0)


def checksum_holds(block: bytes) -> bool:
    """Tell whether the block is a header with a correct checksum."""
    if len(block) != BLOCK:
        return False
    rest = block[:148] + b" " * 8 + block[156:]
    stated, unsigned = _number(block[_CHECKSUM]), sum(rest)
    # Some early writers summed signed characters, which differs for names outside ASCII.
    return stated == unsigned or stated == unsigned - 256 * sum(byte > 127 for byte in rest)


def broken() -> ArchiveCorrupt:
    """Return the error for a tar that breaks the tar format."""
    return ArchiveCorrupt("The tar file is cut off or broken. Make it again and upload it.")


def _text(field: bytes) -> bytes:
    return field.partition(b"\x00")[0]


def _number(field: bytes) -> int | None:
    """Read octal text, or base 256 when the first bit is set; None if it is neither."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    match = _OCTAL.fullmatch(field)
    return None if match is None else int(match[1] or b"0", 8)
