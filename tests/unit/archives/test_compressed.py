"""Compressed tars come out as they went in, as far as the bounds allow."""

from __future__ import annotations

import gzip
import io
import lzma
import time
from collections.abc import Callable, Iterator

import pytest
from archive_files import items, make_tar, pictures
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from visearch.archives import sniff
from visearch.archives.compressed import PIECE, Compression, compression_of, open_compressed
from visearch.errors import ArchiveCorrupt, ArchiveTooLarge

CHECKED = {zstd.CompressionParameter.checksum_flag: 1}  # as the program `zstd` writes it
COMPRESS: dict[Compression, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "zstandard": lambda data: zstd.compress(data, options=CHECKED),
}
KINDS = pytest.mark.parametrize("kind", COMPRESS)


def opened(data: bytes, kind: Compression, most: int = 1 << 30, step: int = 1000) -> bytes:
    pieces = (data[at : at + step] for at in range(0, len(data), step))
    return b"".join(open_compressed(pieces, kind, max_bytes=most))


@KINDS
def test_a_tar_is_what_it_was(kind: Compression) -> None:
    tar = make_tar([("a.jpg", b"A" * 5000), ("b/c.jpg", bytes(range(256)) * 50)])
    data = COMPRESS[kind](tar)
    assert compression_of(data[:512]) == kind
    assert compression_of(tar[:512]) is None
    plain = opened(data, kind)
    assert plain == tar and sniff(plain[:512]) == "tar"
    assert pictures(plain, items(plain, "tar"), "tar")[0] == b"A" * 5000


@settings(deadline=None)
@given(
    kind=st.sampled_from(sorted(COMPRESS)),
    parts=st.lists(st.binary(max_size=3000), min_size=1, max_size=4),
    padding=st.sampled_from([0, 4, 512]),
    step=st.integers(1, 2000),
)
def test_streams_follow_one_another(
    kind: Compression, parts: list[bytes], padding: int, step: int
) -> None:
    data = b"".join(COMPRESS[kind](part) + bytes(padding) for part in parts)
    assert opened(data, kind, step=step) == b"".join(parts)


@KINDS
def test_a_bomb_stops_at_the_limit(kind: Compression) -> None:
    data = COMPRESS[kind](bytes(64 << 20))
    sizes: list[int] = []
    pieces = open_compressed(iter([data]), kind, max_bytes=10 << 20)
    with pytest.raises(ArchiveTooLarge, match="holds more than 10 MB"):
        sizes.extend(map(len, pieces))
    assert max(sizes) <= PIECE and sum(sizes) <= 10 << 20
    assert len(opened(data, kind, most=64 << 20)) == 64 << 20


@KINDS
def test_what_is_cut_off_or_broken_says_so(kind: Compression) -> None:
    data = COMPRESS[kind](bytes(range(256)) * 400)
    broken = bytearray(data)
    broken[len(data) // 2] ^= 0xFF
    for bad in (data[:-20], data[:12], bytes(broken), data + b"rubbish", b"rubbish" * 9):
        with pytest.raises(ArchiveCorrupt, match=f"The {kind} file cannot be decompressed"):
            opened(bad, kind)
    assert opened(b"", kind) == b""


def test_what_needs_much_memory_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 28}]
    data = lzma.compress(b"a" * 100, filters=filters)
    with pytest.raises(ArchiveCorrupt, match=r"xz file .*[Mm]emory"):
        opened(data, "xz")
    options = {
        zstd.CompressionParameter.window_log: 28,
        zstd.CompressionParameter.enable_long_distance_matching: 1,
    }
    window = io.BytesIO()
    with zstd.ZstdFile(window, "w", options=options) as file:
        file.write(b"a")
        file.flush()
        file.write(b"b" * 1000)
    with pytest.raises(ArchiveCorrupt, match="zstandard file"):
        opened(window.getvalue(), "zstandard")


@KINDS
def test_streams_that_hold_next_to_nothing_are_refused_soon(kind: Compression) -> None:
    empty = COMPRESS[kind](b"")

    def endless() -> Iterator[bytes]:
        while True:
            yield empty * 10_000

    start = time.monotonic()
    with pytest.raises(ArchiveCorrupt, match="many tiny streams"):
        next(open_compressed(endless(), kind, max_bytes=1 << 30))
    assert time.monotonic() - start < 10
