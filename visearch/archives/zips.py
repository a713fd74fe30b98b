"""Reads the central directory of a zip as a stream: any number of members, bounded memory.

The standard library's ``zipfile`` holds the whole directory in memory and makes an object of
every entry before they can be counted.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from visearch.archives import codepages
from visearch.archives.member import DEFLATED, STORED, Member, Window, normalise
from visearch.errors import ArchiveCorrupt

LOCAL = struct.Struct("<4s5H3L2H")
LOCAL_MAGIC = b"PK\x03\x04"
_ENTRY = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_POINTER64 = struct.Struct("<4sLQL")
_EXTRA = struct.Struct("<2H")
_WINDOW = 1024 * 1024
_ENCRYPTED = 0x1
_UTF8 = 0x800
_ZIP64, _UNICODE_PATH = 0x0001, 0x7075  # kinds of extra fields
_UNIX = 3
_FULL = 0xFFFFFFFF


class _End(NamedTuple):
    start: int  # of the central directory, in the file
    end: int
    shift: int  # bytes before the archive itself, which its offsets do not count
    entries: int
    wide: bool  # zip64: the number of entries is not modulo 65536


class ZipArchive:
    """The list of files in a zip; their data is not read."""

    def __init__(self, file: BinaryIO) -> None:
        """Find the central directory.

        Raises:
            ArchiveCorrupt: cut off, broken, or one part of a split archive.
        """
        self._window = Window(file, _WINDOW)
        self._end = _find_end(self._window)

    def members(self) -> Iterator[Member]:
        """Yield the files in the order of the directory.

        Raises:
            ArchiveCorrupt: an entry is broken or reaches outside the archive.
        """
        at, entries, claimed = self._end.start, 0, 0
        while at < self._end.end:
            folder, member, at = self._entry(at)
            entries += 1
            # Members that share bytes would let a small file decompress to any size.
            claimed += LOCAL.size + member.packed
            if claimed > self._end.start:
                raise ArchiveCorrupt("Files in the archive overlap. Make it again and upload it.")
            if not folder:
                yield member
        if at != self._end.end or not self._counted(entries):
            raise _broken()

    def _counted(self, entries: int) -> bool:
        # In writers without zip64 the 16-bit count overflows.
        return self._end.entries == (entries if self._end.wide else entries % 65536)

    def _entry(self, at: int) -> tuple[bool, Member, int]:
        """Return the entry at an offset, whether it is a folder, and where the next one is."""
        head = _ENTRY.unpack(self._window.at(at, _ENTRY.size))
        magic, made, _, flags, method, _, _, crc, packed, size = head[:10]
        named, extended, noted, _, _, attributes, offset = head[10:]
        if magic != b"PK\x01\x02":
            raise _broken()
        tail = self._window.at(at + _ENTRY.size, named + extended)
        if _FULL in (size, packed, offset):
            size, packed, offset = _widen(tail[named:], size, packed, offset)
        offset += self._end.shift
        if offset + LOCAL.size + packed > self._end.start:
            raise _broken()
        raw, code = tail[:named], _problem(flags, method, made, attributes)
        name = _text(raw, flags, tail[named:])
        if name is None:
            path, folder, unknown = codepages.provisional(raw), codepages.is_folder(raw), raw
        else:
            path, folder, unknown = normalise(name), name.endswith(("/", "\\")), None
        member = Member(path, offset, packed, size, method, crc, code, unknown)
        return folder, member, at + _ENTRY.size + named + extended + noted

    def locator(self, member: Member) -> dict[str, int]:
        """Return where the member is; all its bytes lie before ``limit``."""
        return {
            "offset": member.offset,
            "packed": member.packed,
            "size": member.size,
            "method": member.method,
            "crc": member.crc,
            "limit": self._end.start,
        }

    def content(self, member: Member) -> Iterator[bytes]:
        """Yield the decompressed bytes in pieces.

        Raises:
            ArchiveCorrupt: the data does not decompress to the stated size and CRC-32.
        """
        head = LOCAL.unpack(self._window.at(member.offset, LOCAL.size))
        if head[0] != LOCAL_MAGIC:
            raise _broken()
        pieces = self._window.pieces(member.offset + LOCAL.size + head[9] + head[10], member.packed)
        size = crc = 0
        for piece in _inflate(pieces) if member.method == DEFLATED else pieces:
            size += len(piece)
            crc = zlib.crc32(piece, crc)
            if size > member.size:
                break
            yield piece
        if (size, crc) != (member.size, member.crc):
            raise _broken()


def _broken() -> ArchiveCorrupt:
    return ArchiveCorrupt("The zip file is cut off or broken. Make it again and upload it.")


def _inflate(pieces: Iterator[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for piece in pieces:
            while piece and not inflater.eof:
                yield inflater.decompress(piece, _WINDOW)
                piece = inflater.unconsumed_tail
        yield inflater.flush()
    except zlib.error as error:
        raise _broken() from error


def _problem(flags: int, method: int, made: int, attributes: int) -> str | None:
    if flags & _ENCRYPTED:
        return "member_encrypted"
    if method not in (STORED, DEFLATED):
        return "member_compression"
    kind = stat.S_IFMT(attributes >> 16) if made >> 8 == _UNIX else 0
    return None if kind in (0, stat.S_IFREG) else "member_not_a_file"


def _text(raw: bytes, flags: int, extra: bytes) -> str | None:
    """Decode a name; None if nothing says how it is encoded.

    Bytes that are not text become U+FFFD, which no product id may contain.
    """
    if flags & _UTF8:
        return raw.decode("utf-8", "replace")
    if (stated := _unicode_path(raw, _record(extra, _UNICODE_PATH))) is not None:
        return stated
    try:  # many writers use UTF-8 without setting its flag
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _unicode_path(raw: bytes, record: bytes) -> str | None:
    """Return the name that Info-ZIP's extra field states, unless it is that of another name."""
    version_and_crc = struct.pack("<BL", 1, zlib.crc32(raw))
    if not record.startswith(version_and_crc):
        return None
    try:
        return record[len(version_and_crc) :].decode("utf-8")
    except UnicodeDecodeError:
        return None


def _widen(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Replace the fields that are all ones by those of the zip64 record, in fixed order."""
    record = list(_zip64(extra))
    values = [size, packed, offset]
    for index, value in enumerate(values):
        if value == _FULL:
            if not record:
                raise _broken()
            values[index] = record.pop(0)
    return values[0], values[1], values[2]


def _zip64(extra: bytes) -> tuple[int, ...]:
    record = _record(extra, _ZIP64)
    words = len(record) // 8
    return struct.unpack_from(f"<{words}Q", record)


def _record(extra: bytes, wanted: int) -> bytes:
    """Return the content of the first extra field of a kind, b"" if there is none."""
    at = 0
    while at + _EXTRA.size <= len(extra):
        kind, size = _EXTRA.unpack_from(extra, at)
        at += _EXTRA.size
        if kind == wanted:
            return extra[at : at + size]
        at += size
    return b""


def _find_end(window: Window) -> _End:
    size = min(window.size, _END.size + 0xFFFF)
    tail = window.at(window.size - size, size)
    at = tail.rfind(b"PK\x05\x06")
    while at >= 0:
        # The comment must end with the file; if not, this is a zip inside a cut-off zip.
        if at + _END.size <= size:
            record = _END.unpack_from(tail, at)
            if at + _END.size + record[7] == size:
                return _read_end(window, window.size - size + at, record)
        at = tail.rfind(b"PK\x05\x06", 0, at)
    raise _broken()


def _read_end(window: Window, at: int, record: tuple[int, ...]) -> _End:
    _, disk, first_disk, here, entries, length, start, _ = record
    wide = False
    if at >= _POINTER64.size:
        pointer = _POINTER64.unpack(window.at(at - _POINTER64.size, _POINTER64.size))
        if wide := pointer[0] == b"PK\x06\x07":
            at = pointer[2]
            record64 = _END64.unpack(window.at(at, _END64.size))
            magic, _, _, _, disk, first_disk, here, entries, length, start = record64
            if magic != b"PK\x06\x06":
                raise _broken()
    if disk or first_disk or here != entries:
        raise ArchiveCorrupt("This is one part of a split zip. Upload a single file.")
    shift = at - length - start
    if shift < 0:
        raise _broken()
    return _End(at - length, at, shift, entries, wide)
