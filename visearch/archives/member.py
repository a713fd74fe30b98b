"""What zips and tars have in common: members, their names, and how to read about them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, Protocol

from visearch.errors import ArchiveCorrupt

STORED = 0
DEFLATED = 8
CHUNK = 256 * 1024
# Sorting a long run of combining marks takes quadratic time, and ids stop at 512 anyway.
_NORMALISED_CHARS = 1024

PROBLEMS = {
    "member_encrypted": "This file is encrypted; make the archive without a password.",
    "member_compression": "This file's compression is not read; use 'deflate' or 'store'.",
    "member_not_a_file": "This is a link, a device or a sparse file; add the picture itself.",
}


class Member(NamedTuple):
    """One file of an archive; ``code`` is a key of ``PROBLEMS`` when it cannot be read.

    ``offset`` and ``packed`` are bytes in the archive: where its zip header or tar data
    begins, and how much its data takes. ``size`` is the bytes after inflating.
    """

    path: str
    offset: int
    packed: int
    size: int
    method: int = STORED
    crc: int = 0
    code: str | None = None


class Archive(Protocol):
    """A readable archive. ``members`` may be called again and gives the same members."""

    def members(self) -> Iterator[Member]:
        """Yield the files in directory order, directories left out."""

    def locator(self, member: Member) -> dict[str, int]:
        """Return what ``fetch`` needs to read the member."""

    def content(self, member: Member) -> Iterator[bytes]:
        """Yield the bytes of a member without a ``code``, in pieces."""


class Window:
    """Reads a file at offsets through one buffer, so that neighbours cost one read.

    Args:
        file: seekable and readable.
        chunk: bytes read at a time; this bounds the memory, not what ``at`` may ask.
    """

    def __init__(self, file: BinaryIO, chunk: int) -> None:
        """Measure the file; nothing is read yet."""
        self._file = file
        self._chunk = chunk
        self._start = 0
        self._data = b""
        self.size = file.seek(0, 2)

    def at(self, offset: int, size: int) -> bytes:
        """Return exactly ``size`` bytes from ``offset``.

        Raises:
            ArchiveCorrupt: the file ends before.
        """
        begin = offset - self._start
        if begin < 0 or begin + size > len(self._data):
            if offset < 0 or offset + size > self.size:
                raise ArchiveCorrupt("The archive is cut off; make it and upload it anew.")
            self._data = self._read(offset, max(size, self._chunk))
            self._start, begin = offset, 0
            if len(self._data) < size:
                raise ArchiveCorrupt("The archive ended while it was being read.")
        return self._data[begin : begin + size]

    def pieces(self, offset: int, size: int) -> Iterator[bytes]:
        """Yield ``size`` bytes from ``offset`` in pieces of at most ``CHUNK`` bytes."""
        for start in range(offset, offset + size, CHUNK):
            yield self.at(start, min(CHUNK, offset + size - start))

    def _read(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        data = self._file.read(size)
        while data and len(data) < size and (more := self._file.read(size - len(data))):
            data += more
        return data


def normalise(name: str) -> str:
    """Return a member's name as a relative POSIX path: no ``.``, ``..`` or empty parts.

    Names are composed (NFC), because macOS archives hold them decomposed while the
    manifest beside them is typed composed.
    """
    parts: list[str] = []
    for part in name.replace("\\", "/").split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    path = "/".join(parts)
    if path.isascii() or len(path) > _NORMALISED_CHARS:
        return path
    return unicodedata.normalize("NFC", path)


def is_litter(path: str) -> bool:
    """Whether a normalised path is what operating systems leave in archives."""
    if path.startswith((".", "__MACOSX/")) or "/." in path:
        return True
    return path.rpartition("/")[2].lower() == "thumbs.db"
