"""What zips and tars have in common: members, their names, and buffered reading."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, Protocol

from visearch.errors import ArchiveCorrupt

STORED = 0
DEFLATED = 8
CHUNK = 256 * 1024
# Normalising a long run of combining marks takes quadratic time; ids end at 512 anyway.
_NORMALISED_CHARS = 1024
_ODD = re.compile(r"^[./]|\\|/[./]|/\Z|^\Z")
"""What a name that has to be looked at part by part has in it."""

PROBLEMS = {
    "member_encrypted": "The file is encrypted. Make the archive without a password.",
    "member_compression": "The file's compression cannot be read. Use 'deflate' or 'store'.",
    "member_not_a_file": "This is a link, a device or a sparse file. Add the picture itself.",
}


class Member(NamedTuple):
    """One file of an archive; ``code`` is a key of ``PROBLEMS`` when it cannot be read.

    ``offset`` is the byte in the archive where the zip header, or the tar data, begins.
    ``packed`` is the size of the stored data and ``size`` that of the decompressed data, in
    bytes. ``raw`` is the name as it is stored if nothing says how it is encoded; ``path`` is then
    a guess (see ``visearch.archives.codepages``).
    """

    path: str
    offset: int
    packed: int
    size: int
    method: int = STORED
    crc: int = 0
    code: str | None = None
    raw: bytes | None = None


class Archive(Protocol):
    """A readable archive. ``members`` yields the same members each time."""

    def members(self) -> Iterator[Member]:
        """Yield the files, without the directories, in the archive's order."""

    def locator(self, member: Member) -> dict[str, int]:
        """Return what ``fetch`` needs to read the member."""

    def content(self, member: Member) -> Iterator[bytes]:
        """Yield, in pieces, the bytes of a member that has no ``code``."""


class Window:
    """Reads a file at offsets through one buffer: neighbours cost one read.

    Args:
        file: seekable and readable.
        chunk: bytes read at a time; a larger request of ``at`` is read whole.
    """

    def __init__(self, file: BinaryIO, chunk: int) -> None:
        """Measure the file without reading it."""
        self._file = file
        self._chunk = chunk
        self._start = 0
        self._data = b""
        self.size = file.seek(0, 2)

    def at(self, offset: int, size: int) -> bytes:
        """Return exactly ``size`` bytes from ``offset``.

        Raises:
            ArchiveCorrupt: the file ends earlier.
        """
        begin = offset - self._start
        if begin < 0 or begin + size > len(self._data):
            if offset < 0 or offset + size > self.size:
                raise ArchiveCorrupt("The archive is cut off. Make it again and upload it.")
            self._data = self._read(offset, max(size, self._chunk))
            self._start, begin = offset, 0
            if len(self._data) < size:
                raise ArchiveCorrupt(
                    "The archive became shorter while it was read. Upload it again."
                )
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


def normalise(name: str, *, backslashes: bool = True) -> str:
    """Return a member's name as a relative POSIX path without ``.``, ``..`` or empty parts.

    Names are composed (NFC): archives made on macOS hold decomposed names, while people
    type composed ones into a manifest. ``backslashes`` separate like slashes, unless said so.
    """
    if name.isascii() and not _ODD.search(name):
        return name  # as most are
    parts: list[str] = []
    for part in (name.replace("\\", "/") if backslashes else name).split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    path = "/".join(parts)
    if path.isascii() or len(path) > _NORMALISED_CHARS:
        return path
    return unicodedata.normalize("NFC", path)
