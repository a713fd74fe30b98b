"""What a PNG file holds besides its pixels: texts and profiles of any size, compressed."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

MAX_PROFILE = 4 << 20
"""Largest ICC profile that is used, in bytes; a larger one is left out."""

_MAGIC = 8  # bytes before the first chunk
_XMP = b"XML:com.adobe.xmp\x00\x00"  # an uncompressed one: it may tell the orientation
_LARGEST_XMP = 1 << 16


class _Chunk(NamedTuple):
    kind: bytes
    start: int
    end: int


def lean(data: bytes) -> tuple[bytes, bytes | None]:
    """Return the file without the metadata that no pixel depends on, and its ICC profile.

    An animation becomes its still picture. Pillow would refuse a picture for a text or a
    profile that decompresses to much, and for a chunk of metadata that is damaged.
    """
    kept, profile, at = [], None, 0
    for chunk in _chunks(data):
        if chunk.kind == b"iCCP" and _is_sound(data, chunk):
            profile = _profile(data[chunk.start + 8 : chunk.end - 4])
        if not _is_kept(data, chunk):
            kept.append(data[at : chunk.start])
            at = chunk.end
    return (b"".join([*kept, data[at:]]) if at else data), profile


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """Yield the chunks; ends where the file is broken or cut off."""
    at = _MAGIC
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            return
        yield _Chunk(data[at + 4 : at + 8], at, end)
        at = end


def _is_kept(data: bytes, chunk: _Chunk) -> bool:
    if not chunk.kind[0] & 0x20:  # in upper case: no pixel can be read without it
        return True
    if chunk.kind == b"iTXt":
        short = chunk.end - chunk.start <= _LARGEST_XMP
        return short and data.startswith(_XMP, chunk.start + 8) and _is_sound(data, chunk)
    return chunk.kind in (b"tRNS", b"eXIf") and _is_sound(data, chunk)


def _is_sound(data: bytes, chunk: _Chunk) -> bool:
    stated = int.from_bytes(data[chunk.end - 4 : chunk.end], "big")
    return zlib.crc32(memoryview(data)[chunk.start + 4 : chunk.end - 4]) == stated


def _profile(content: bytes) -> bytes | None:
    """Return the decompressed profile, None if it is broken or too large to be worth it."""
    _, _, packed = content.partition(b"\x00")
    inflater = zlib.decompressobj()
    try:
        profile = inflater.decompress(packed[1:], MAX_PROFILE)
    except zlib.error:
        return None
    return profile if inflater.eof else None
