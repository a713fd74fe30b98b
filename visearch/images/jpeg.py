"""What a JPEG file holds besides its pixels: metadata, scans without end, a video behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_SCANS = 100
"""Most scans a JPEG may have; a progressive one has about ten."""

_SOS, _EOI, _COMMENT = 0xDA, 0xD9, 0xFE
# Neither an escaped FF (00), nor a fill byte (FF), nor a restart mark (D0 to D7) or TEM (01),
# which stand alone and may be anywhere between and in scans.
_MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")

# The metadata that is passed on: marker, how its content begins, its least size. The colour
# transform depends on JFIF and Adobe; the others are the orientation and the profile. Pillow
# fails a picture over odd ones of some others (Photoshop's, several pictures in one file).
_KEPT: tuple[tuple[int, bytes, int], ...] = (
    (0xE0, b"JFIF\x00", 14),
    (0xE1, b"Exif\x00\x00", 6),
    (0xE1, b"http://ns.adobe.com/xap/1.0/\x00", 29),
    (0xE2, b"ICC_PROFILE\x00", 15),
    (0xEE, b"Adobe", 12),
)


class _Segment(NamedTuple):
    marker: int
    start: int  # of its marker
    end: int  # of its header: compressed data may follow


def count_scans(data: bytes) -> int:
    """Return the number of scans, up to the end of the picture; stops above ``MAX_SCANS``.

    Every scan costs a pass over all pixels, however few bytes it has.
    """
    count = 0
    for segment in _segments(data):
        count += segment.marker == _SOS
        if segment.marker == _EOI or count > MAX_SCANS:
            break
    return count


def lean(data: bytes) -> bytes:
    """Return the file without the metadata that no pixel depends on."""
    kept, at = [], 0
    for segment in _segments(data):
        if segment.marker in (_SOS, _EOI):
            break
        if _is_metadata(segment.marker) and not _is_kept(data, segment):
            kept.append(data[at : segment.start])
            at = segment.end
    return b"".join([*kept, data[at:]]) if at else data


def _segments(data: bytes) -> Iterator[_Segment]:
    """Yield the segments after the start mark; ends where the file is broken or cut off."""
    at = 2
    while match := _MARKER.search(data, at):
        marker, start = data[match.end() - 1], match.start()
        end = match.end()
        if marker != _EOI:
            size = int.from_bytes(data[end : end + 2], "big")
            end += size
            if size < 2 or end > len(data):
                return
        yield _Segment(marker, start, end)
        at = end


def _is_metadata(marker: int) -> bool:
    return 0xE0 <= marker <= 0xEF or marker == _COMMENT


def _is_kept(data: bytes, segment: _Segment) -> bool:
    content = segment.start + 4
    return any(
        segment.marker == marker
        and data.startswith(begin, content)
        and segment.end - content >= size
        for marker, begin, size in _KEPT
    )
