"""Archives built in memory, and the two calls every test makes."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable

from visearch.archives import Contents, Media, fetch
from visearch.errors import VisearchError
from visearch.records import PlannedItem

Files = Iterable[tuple[str, bytes]]


def make_zip(files: Files, method: int = zipfile.ZIP_DEFLATED, force_zip64: bool = False) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            with archive.open(info, "w", force_zip64=force_zip64) as member:
                member.write(data)
    return out.getvalue()


def make_tar(files: Files, format: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


MAKERS: dict[str, Callable[[Files], bytes]] = {"zip": make_zip, "tar": make_tar}


def items(data: bytes, media: Media = "zip", max_items: int = 1000) -> list[PlannedItem]:
    return list(Contents(io.BytesIO(data), media, max_items=max_items).items())


def pictures(
    data: bytes, planned: list[PlannedItem], media: Media = "zip", max_bytes: int = 1 << 20
) -> list[bytes | VisearchError]:
    def read_range(start: int, end: int) -> bytes:
        assert 0 <= start < end <= len(data), "a range outside the file"
        return data[start:end]

    locators = [item.locator for item in planned if item.code is None]
    return list(fetch(read_range, media, locators, max_bytes=max_bytes))


def large_zip(count: int) -> bytes:
    """A stored zip of ``count`` tiny members, much faster than zipfile writes it."""
    crc, size = zlib.crc32(b"pixels"), 6
    body, directory = bytearray(), bytearray()
    for number in range(count):
        name = b"%06d.jpg" % number
        common = struct.pack("<5H3L2H", 20, 0, 0, 0, 33, crc, size, size, len(name), 0)
        place = struct.pack("<3H2L", 0, 0, 0, 0, len(body))
        body += b"PK\x03\x04" + common + name + b"pixels"
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + common + place + name
    sizes = (count, count, len(directory), len(body))
    body += directory
    body += struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, *sizes)
    body += struct.pack("<4sLQL", b"PK\x06\x07", 0, sizes[2] + sizes[3], 1)
    full = (0xFFFF, 0xFFFF, sizes[2], sizes[3])
    return bytes(body + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, *full, 0))


def raw_zip(
    files: Iterable[tuple[bytes, bytes]], extra: Callable[[bytes], bytes] = lambda name: b""
) -> bytes:
    """A stored zip whose names are any bytes and do not say how they are encoded.

    ``extra`` makes the extra fields of each entry from its name.
    """
    body, directory, count = bytearray(), bytearray(), 0
    for name, data in files:
        more = extra(name)
        crc, size = zlib.crc32(data), len(data)
        common = struct.pack("<5H3L2H", 20, 0, 0, 0, 33, crc, size, size, len(name), len(more))
        place = struct.pack("<3H2L", 0, 0, 0, 0, len(body))
        body += b"PK\x03\x04" + common + name + more + data
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + common + place + name + more
        count += 1
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(directory), len(body), 0)
    return bytes(body + directory + end)


def v7(name: bytes, data: bytes) -> bytes:
    """A tar of one member in the oldest format."""
    head = bytearray(512)
    head[: len(name)] = name
    head[100:136] = b"0000644\x000000000\x000000000\x00%011o\x00" % len(data)
    head[136:156] = b"00000000000\x00        "
    head[148:156] = b"%06o\x00 " % sum(head)
    return bytes(head) + data + bytes(-len(data) % 512) + bytes(1024)
