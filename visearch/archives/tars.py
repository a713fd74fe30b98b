"""Reads the headers of a tar (v7, ustar, GNU or pax) one after the other.

The standard library's ``tarfile`` reads extended headers of any size into memory, recurses
over chains of them and keeps every member it has seen; a hostile file would exhaust memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from visearch.archives.member import Member, Window, normalise
from visearch.archives.tarheader import BLOCK, Header, broken, parse
from visearch.errors import ArchiveCorrupt

_WINDOW = 32 * 1024
_LONGEST_META = 1024 * 1024
_META = b"LKxXgNV"  # headers that describe other headers
_DIRECTORIES = b"5D"
_NO_DATA = b"123456"  # kinds whose size field means nothing
_NOT_FILES = b"12346SM"
_RECORD = re.compile(rb"(\d{1,7}) ")

Pax = dict[str, bytes]


class TarArchive:
    """The list of files in a tar; their data is not read."""

    def __init__(self, file: BinaryIO) -> None:
        """Measure the file without reading it."""
        self._window = Window(file, _WINDOW)

    def members(self) -> Iterator[Member]:
        """Yield the files in the order they are stored.

        Raises:
            ArchiveCorrupt: a header is broken, or the end mark is missing.
        """
        at = 0
        everywhere: Pax = {}
        own: Pax = {}
        while (header := self._header(at)) is not None:
            at += BLOCK
            if header.kind in _META:
                target = everywhere if header.kind == b"g" else own
                target.update(self._meta(at, header))
                at += _padded(header.size)
                continue
            for _ in range(header.more):
                at = self._past_sparse_map(at)
            member, at = self._member(at, header, everywhere | own)
            own = {}
            if member is not None:
                yield member
        self._check_end(at)

    def _header(self, at: int) -> Header | None:
        block = self._window.at(at, BLOCK)
        return parse(block) if block.strip(b"\x00") else None

    def _meta(self, at: int, header: Header) -> Pax:
        """Return what a header says about the next one or, if of kind g, about all that follow."""
        if header.size > _LONGEST_META:
            raise broken()
        data = self._window.at(at, header.size)
        if header.kind == b"L":
            return {"path": data.partition(b"\x00")[0]}
        return _pax(data) if header.kind in b"xXg" else {}

    def _past_sparse_map(self, at: int) -> int:
        while True:
            block = self._window.at(at, BLOCK)
            at += BLOCK
            if not block[504]:
                return at

    def _member(self, at: int, header: Header, pax: Pax) -> tuple[Member | None, int]:
        """Return the file whose data begins at ``at``, None for a directory; and what follows."""
        size = _size(pax["size"]) if "size" in pax else header.size
        taken = 0 if header.kind in _NO_DATA else size
        if at + _padded(taken) > self._window.size:
            raise broken()
        raw = pax.get("GNU.sparse.name", pax.get("path", header.name))
        after = at + _padded(taken)
        if header.kind in _DIRECTORIES or raw.endswith(b"/"):
            return None, after
        odd = header.kind in _NOT_FILES or any(key.startswith("GNU.sparse.") for key in pax)
        code = "member_not_a_file" if odd else None
        path, unknown = _name(raw)
        return Member(path, at, taken, taken, code=code, raw=unknown), after

    def _check_end(self, at: int) -> None:
        rest = self._window.at(at, min(self._window.size - at, _WINDOW))
        if rest.strip(b"\x00"):
            raise ArchiveCorrupt("The tar file continues after its end. Upload one tar at a time.")

    def locator(self, member: Member) -> dict[str, int]:
        """Return where the member's data is."""
        return {"offset": member.offset, "size": member.size}

    def content(self, member: Member) -> Iterator[bytes]:
        """Yield the member's bytes in pieces."""
        return self._window.pieces(member.offset, member.size)


def _name(raw: bytes) -> tuple[str, bytes | None]:
    """Return the path that a name is, and the name itself if it is not known how it is encoded."""
    try:
        return normalise(raw.decode("utf-8")), None
    except UnicodeDecodeError:
        return normalise(raw.decode("utf-8", "replace")), raw


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _size(text: bytes) -> int:
    if not re.fullmatch(rb"\d{1,19}", text):
        raise broken()
    return int(text)


def _pax(data: bytes) -> Pax:
    """Return the records of a pax header, each ``"<length> <key>=<value>\\n"``."""
    found: Pax = {}
    at = 0
    while at < len(data) and data[at] != 0:
        match = _RECORD.match(data, at)
        end = at + int(match[1]) if match else 0
        if match is None or not match.end() < end <= len(data) or data[end - 1] != 0x0A:
            raise broken()
        key, equals, value = data[match.end() : end - 1].partition(b"=")
        if not equals:
            raise broken()
        found[key.decode("utf-8", "replace")] = value
        at = end
    return found
