"""Compressed files: decompressed as a stream, with bounds on what comes out and on the memory.

Members of a tar are fetched by byte range, which a compressed one does not allow. So it is
decompressed once, and all that follows sees a plain tar.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, Protocol

from backports import zstd

from visearch.errors import ArchiveCorrupt, ArchiveTooLarge, amount

Compression = Literal["gzip", "xz", "zstandard"]

_MAGIC: dict[bytes, Compression] = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstandard",
}

PIECE = 256 * 1024
"""Most bytes that are read, or come out, at a time."""

# Enough for `xz -9` and for `zstd --ultra -22`, but not for its `--long=31`.
_XZ_MEMORY = 96 << 20
_ZSTD_WINDOW: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 27}

# A file may hold one stream after the other: parallel compressors write blocks of 64 kB and more.
# To start one costs time, so there may not be many tiny ones.
_SHORTEST, _FEW = 1024, 1000

_ERRORS = (zlib.error, lzma.LZMAError, zstd.ZstdError, EOFError)


class _Stream(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gzip:
    """Makes of zlib's decompressor what those of xz and zstd are."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        out = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        # With all of the input taken, there may still be more to come out.
        self.needs_input = not self._inner.unconsumed_tail and len(out) < max_length
        return out


_MAKERS: dict[Compression, Callable[[], _Stream]] = {
    "gzip": _Gzip,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY),
    "zstandard": lambda: zstd.ZstdDecompressor(options=_ZSTD_WINDOW),
}


def compression_of(head: bytes) -> Compression | None:
    """Return how a file that begins with ``head`` is compressed; None if it is not."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def open_compressed(
    pieces: Iterable[bytes], compression: Compression, *, max_bytes: int
) -> Iterator[bytes]:
    """Yield what a compressed file holds, in pieces of at most ``PIECE`` bytes.

    Args:
        pieces: the file, in pieces of any size.
        compression: as :func:`compression_of` returned it.
        max_bytes: the most that may come out.

    Raises:
        ArchiveCorrupt: it is cut off or broken, or needs more memory than common levels do.
        ArchiveTooLarge: it holds more than ``max_bytes``.
    """
    size = 0
    try:
        for piece in _streams(pieces, compression):
            size += len(piece)
            if size > max_bytes:
                raise ArchiveTooLarge(
                    f"The {compression} file holds more than {amount(max_bytes, 'bytes')}. "
                    "Split the import."
                )
            yield piece
    except _ERRORS as error:
        raise _broken(compression, str(error) or type(error).__name__) from error


def _streams(pieces: Iterable[bytes], compression: Compression) -> Iterator[bytes]:
    stream: _Stream | None = None
    count = taken = 0
    for data in _cut(pieces):
        taken += len(data)
        rest = data
        while stream or (rest := rest.lstrip(b"\x00")):  # there may be padding between streams
            if stream is None:
                count += 1
                if count > max(_FEW, taken // _SHORTEST):
                    raise _broken(compression, "it consists of many tiny streams")
                stream = _MAKERS[compression]()
            if out := stream.decompress(rest, PIECE):
                yield out
            rest = b""
            if stream.eof:
                rest, stream = stream.unused_data, None
            elif stream.needs_input:
                break
    if stream is not None:
        raise EOFError("it is cut off")


def _cut(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        for start in range(0, len(piece), PIECE):
            yield piece[start : start + PIECE]


def _broken(compression: Compression, why: str) -> ArchiveCorrupt:
    return ArchiveCorrupt(
        f"The {compression} file cannot be decompressed ({why}). Make it again and upload it."
    )
