"""All members of an archive in little memory: a million take about 100 MB, not 500."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from visearch.archives import codepages
from visearch.archives.member import PROBLEMS, Member

_CODES = (None, *sorted(PROBLEMS))
_NUMBERS = {code: number for number, code in enumerate(_CODES)}
# Where the name begins and how long it is; offset, packed, size, crc, method; the code, and
# whether the name is as it was found in the archive.
_ROW = struct.Struct("<QIQQQIHB?")


class MemberList:
    """A list of members that only grows; ``page`` decodes the names whose encoding is unknown."""

    def __init__(self) -> None:
        self.page: str | None = None
        self._names = bytearray()
        self._rows = bytearray()

    def append(self, member: Member) -> None:
        """Add a member at the end."""
        path, offset, packed, size, method, crc, code, raw = member
        name = path.encode() if raw is None else raw
        self._rows += _ROW.pack(
            len(self._names), len(name), offset, packed, size, crc, method, _NUMBERS[code],
            raw is not None,
        )  # fmt: skip
        self._names += name

    def __len__(self) -> int:
        return len(self._rows) // _ROW.size

    def __getitem__(self, index: int) -> Member:
        row = _ROW.unpack_from(self._rows, index * _ROW.size)
        start, length, offset, packed, size, crc, method, code, is_raw = row
        raw = bytes(self._names[start : start + length]) if is_raw else None
        return Member(self.path(index), offset, packed, size, method, crc, _CODES[code], raw)

    def path(self, index: int) -> str:
        """Return the path of a member, decoded as is known now."""
        row = _ROW.unpack_from(self._rows, index * _ROW.size)
        name = self._names[row[0] : row[0] + row[1]]
        return self._decoded(bytes(name)) if row[-1] else name.decode()

    def path_of(self, member: Member) -> str:
        """Return the path of a member as the list has it."""
        return member.path if member.raw is None else self._decoded(member.raw)

    def raw_names(self) -> Iterator[bytes]:
        """Yield the names whose encoding is unknown."""
        for row in _ROW.iter_unpack(self._rows):
            if row[-1]:
                yield bytes(self._names[row[0] : row[0] + row[1]])

    def _decoded(self, raw: bytes) -> str:
        if self.page is None:
            return codepages.provisional(raw)
        return codepages.decoded(raw, self.page)
