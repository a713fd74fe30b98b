"""Fetches members of an archive by byte range; each is checked and bounded by itself."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from visearch.archives.member import DEFLATED, STORED
from visearch.archives.sniff import Media
from visearch.archives.zips import LOCAL, LOCAL_MAGIC
from visearch.errors import ImageTooLarge, MemberError, VisearchError, amount

NEAR = 256 * 1024
"""Members at most this many bytes apart are read at once."""
LARGEST_READ = 64 * 1024 * 1024
_NAME_GUESS = 512  # bytes; a local header's name and extra field are rarely longer

_REMEDY = "Make the archive again and upload it."

ReadRange = Callable[[int, int], bytes]
Result = bytes | VisearchError


class _Want(NamedTuple):
    start: int
    end: int
    locator: dict[str, Any]


def fetch(
    read_range: ReadRange,
    media: Media,
    locators: Sequence[dict[str, Any]],
    *,
    max_bytes: int,
) -> Iterator[Result]:
    """Yield, for each locator in order, the member's bytes or the reason why there are none.

    Args:
        read_range: returns bytes ``[start, end)`` of the archive; its exceptions pass
            through. It is never asked for a range outside the planned file.
        media: the kind of archive.
        locators: as made by ``plan`` (an item with a ``code`` has none), in any order;
            archive order needs the fewest reads.
        max_bytes: size of the largest member accepted, decompressed.

    The errors yielded are ``ImageTooLarge`` and ``MemberError("member_corrupt")``. Memory
    holds at most one read (64 MiB, or a single member) and one member at a time.
    """
    wanted = [_want(media, locator, max_bytes) for locator in locators]
    for group in _groups(wanted):
        yield from _read_group(read_range, media, group, max_bytes)


def _want(media: Media, locator: dict[str, Any], max_bytes: int) -> _Want | VisearchError:
    start, size = locator["offset"], locator["size"]
    if size > max_bytes:
        return _too_large(max_bytes)
    if media == "tar":
        return _Want(start, start + size, locator)
    packed = locator["packed"]
    # Data that deflate cannot compress grows by far less than this.
    if packed > max_bytes + max_bytes // 64 + 1024:
        return _too_large(max_bytes)
    return _Want(start, min(start + LOCAL.size + packed + _NAME_GUESS, locator["limit"]), locator)


def _groups(wanted: list[_Want | VisearchError]) -> Iterator[list[_Want | VisearchError]]:
    """Split into runs, in order, whose ranges are near enough for one read."""
    group: list[_Want | VisearchError] = []
    low = high = -1
    for want in wanted:
        if isinstance(want, _Want):
            joined = min(low, want.start), max(high, want.end)
            near = want.start <= high + NEAR and want.end >= low - NEAR
            if low < 0:
                joined = want.start, want.end
            elif not near or joined[1] - joined[0] > LARGEST_READ:
                yield group
                group, joined = [], (want.start, want.end)
            low, high = joined
        group.append(want)
    yield group


def _read_group(
    read_range: ReadRange, media: Media, group: list[_Want | VisearchError], max_bytes: int
) -> Iterator[Result]:
    ranges = [(want.start, want.end) for want in group if isinstance(want, _Want)]
    low = min((start for start, _ in ranges), default=0)
    high = max((end for _, end in ranges), default=0)
    data = memoryview(read_range(low, high) if high > low else b"")
    for want in group:
        if isinstance(want, VisearchError):
            yield want
            continue
        part = data[want.start - low : want.end - low]
        yield _member(read_range, media, want, part, max_bytes)


def _member(
    read_range: ReadRange, media: Media, want: _Want, part: memoryview, max_bytes: int
) -> Result:
    if len(part) < want.end - want.start:
        return _corrupt("The stored archive has become shorter. Upload it again.")
    if media == "tar":
        return bytes(part)
    packed = _packed(read_range, want, part)
    if isinstance(packed, VisearchError):
        return packed
    if want.locator["method"] == DEFLATED:
        return _inflate(packed, want.locator, max_bytes)
    return _checked(bytes(packed), want.locator)


def _packed(read_range: ReadRange, want: _Want, part: memoryview) -> memoryview | MemberError:
    """Return the member's data after its local header, still compressed."""
    if len(part) < LOCAL.size:
        return _corrupt(f"The file's header is cut off. {_REMEDY}")
    header = LOCAL.unpack_from(part)
    method = want.locator["method"]
    if header[0] != LOCAL_MAGIC or header[3] != method or method not in (STORED, DEFLATED):
        return _corrupt(f"The file's header is broken. {_REMEDY}")
    begin = LOCAL.size + header[9] + header[10]
    end = begin + want.locator["packed"]
    if want.start + end > want.locator["limit"]:
        return _corrupt(f"The file's header is broken. {_REMEDY}")
    if end > len(part):  # the name is longer than guessed
        rest = read_range(want.end, want.start + end)
        part = memoryview(b"".join((part, rest)))
    return part[begin:end]


def _inflate(packed: memoryview, locator: dict[str, Any], max_bytes: int) -> Result:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflater.decompress(packed, max_bytes + 1)
    except zlib.error as error:
        return _corrupt(f"The file cannot be decompressed ({error}). {_REMEDY}")
    if len(data) > max_bytes:
        return _too_large(max_bytes)
    return _checked(data, locator) if inflater.eof else _corrupt(f"The file is cut off. {_REMEDY}")


def _checked(data: bytes, locator: dict[str, Any]) -> Result:
    if len(data) != locator["size"] or zlib.crc32(data) != locator["crc"]:
        return _corrupt(f"The file's size or CRC-32 is not what the archive states. {_REMEDY}")
    return data


def _corrupt(detail: str) -> MemberError:
    return MemberError(detail, code="member_corrupt")


def _too_large(max_bytes: int) -> ImageTooLarge:
    return ImageTooLarge(
        f"The picture file has more than {amount(max_bytes, 'bytes')}. Use a smaller copy."
    )
