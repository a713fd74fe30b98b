"""HEIF (HEIC) files, as phones write them: one still, of what may be many things in the file.

libheif decodes them, through pi-heif. It reads far more kinds of content than phones write, and
flaws were found in many of those readers. So a file is looked through first: one with other
content is refused, and what is not needed for the still does not get there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from pi_heif import options
from pi_heif.as_plugin import HeifImageFile

__all__ = ["HeifImageFile", "largest_picture", "still"]

# Neither thumbnails nor depth maps are used. No thread but the one that the decoder of HEVC
# always starts: other pictures have the other cores.
options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
options.DECODE_THREADS = 0

_PICTURES = {b"hvc1", b"grid", b"jpeg"}  # by HEVC, of tiles, a thumbnail by JPEG
_METADATA = {b"Exif", b"mime", b"uri ", b"tmap"}
_BOX = struct.Struct(">I4s")
_SIZE = struct.Struct(">II")
_FULL = 4  # bytes of version and flags, with which some boxes begin


class _Box(NamedTuple):
    kind: bytes
    start: int
    content: int
    end: int


def still(data: bytes) -> bytes:
    """Return the file without what is not part of the still, like a video that follows it.

    All that stays is where it was, because the file refers to its parts by their offsets.

    Raises:
        NotImplementedError: there is content in it that phones do not write.
    """
    file, end, seen = bytearray(data), 0, set[bytes]()
    for box in _boxes(data, 0, len(data)):
        if box.kind == b"meta" and b"meta" not in seen:
            _check_items(data, box)
        elif box.kind != b"mdat" and end:
            file[box.start + 4 : box.content] = b"free" + file[box.start + 8 : box.content]
        seen.add(box.kind)
        end = box.end
    if b"mdat" not in seen and data[end + 4 : end + 8] == b"mdat":
        return data  # cut off in the still itself: the decoder says so
    return bytes(file[:end]) if b"meta" in seen else data


def largest_picture(data: bytes) -> int:
    """Return the pixels of the largest picture in the file, as it is stored: before any crop."""
    sizes = (
        _SIZE.unpack_from(data, size.content + _FULL)
        for meta in _inside(data, b"meta", 0, len(data), _FULL)
        for properties in _inside(data, b"iprp", meta.content + _FULL, meta.end, 0)
        for container in _inside(data, b"ipco", properties.content, properties.end, 0)
        for size in _inside(data, b"ispe", container.content, container.end, _FULL + _SIZE.size)
    )
    return max((width * height for width, height in sizes), default=0)


def _check_items(data: bytes, meta: _Box) -> None:
    for kind in _item_kinds(data, meta):
        if kind not in _PICTURES and kind not in _METADATA:
            raise NotImplementedError(f"it holds an item of the kind {kind.decode('latin-1')}")


def _item_kinds(data: bytes, meta: _Box) -> Iterator[bytes]:
    for box in _inside(data, b"iinf", meta.content + _FULL, meta.end, _FULL):
        count = 4 if data[box.content] else 2  # bytes of the number of items
        for item in _inside(data, b"infe", box.content + _FULL + count, box.end, _FULL):
            # Only versions 2 and 3 say what an item is; they differ in the size of its number.
            number = {2: 2, 3: 4}.get(data[item.content])
            if number is not None:
                kind = item.content + _FULL + number + 2
                yield data[kind : kind + 4]


def _inside(data: bytes, kind: bytes, start: int, end: int, least: int) -> Iterator[_Box]:
    """Yield the boxes of a kind whose content has at least so many bytes."""
    for box in _boxes(data, start, end):
        if box.kind == kind and box.end - box.content >= least:
            yield box


def _boxes(data: bytes, start: int, end: int) -> Iterator[_Box]:
    """Yield the boxes between two offsets; ends where one is broken or cut off."""
    while start + _BOX.size <= end:
        size, kind = _BOX.unpack_from(data, start)
        content = start + _BOX.size
        if size == 1:
            content += 8
            size = int.from_bytes(data[start + 8 : content], "big")
        elif size == 0:
            size = end - start
        if size <= content - start or start + size > end:
            return
        yield _Box(kind, start, content, start + size)
        start += size
