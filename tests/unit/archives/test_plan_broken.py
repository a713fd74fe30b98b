"""Whatever is cut off or flipped, only the documented errors come out."""

from __future__ import annotations

import functools
import time
import tracemalloc
import warnings
from collections.abc import Callable
from io import BytesIO

import pytest
from archive_files import MAKERS, Files, items, large_zip, make_zip, pictures
from hypothesis import given, settings
from hypothesis import strategies as st

from visearch.archives import Contents, Media
from visearch.errors import ArchiveCorrupt, ArchiveError, ImageTooLarge, MemberError

ROWS = b'{"id": "1", "image": "a.jpg|b/b.jpg", "x": 1}\n{"id": "2", "image": "b/b.jpg"}\n'
PLAIN = [("a.jpg", b"picture one " * 30), ("b/" + "b" * 120 + ".jpg", bytes(700)), ("c", b"")]
CASES: dict[str, Files] = {
    "plain": PLAIN,
    "json": [*PLAIN, ("manifest.jsonl", ROWS)],
    "csv": [*PLAIN, ("manifest.csv", b"id,image,x\n1,a.jpg,y\n2,c,\n")],
}


@functools.cache
def archive(media: Media, case: str) -> bytes:
    return MAKERS[media](CASES[case])


def survive(data: bytes, media: Media) -> None:
    """Plan and fetch everything; only documented failures may come out."""
    try:
        planned = items(data, media)
    except ArchiveError:
        return
    assert all(item.code is None or item.detail for item in planned)
    for item in planned:
        (item.path + item.product_id + (item.detail or "")).encode()
    for result in pictures(data, planned, media, max_bytes=5000):
        assert isinstance(result, (bytes, MemberError, ImageTooLarge))


@pytest.mark.parametrize("case", CASES)
def test_every_truncated_zip_is_refused(case: str) -> None:
    data = archive("zip", case)
    for length in range(len(data)):
        with pytest.raises(ArchiveCorrupt):
            items(data[:length])


@pytest.mark.parametrize("case", CASES)
def test_every_truncated_tar_is_refused_until_its_end_mark(case: str) -> None:
    data = archive("tar", case)
    content = len(data.rstrip(b"\x00"))
    end = -(-content // 512) * 512 + 512
    for length in [*range(0, end, 37), end - 1]:
        with pytest.raises(ArchiveCorrupt):
            items(data[:length], "tar")
    survive(data[: end + 100], "tar")


@pytest.mark.parametrize("media", ["zip", "tar"])
@pytest.mark.parametrize("case", CASES)
def test_every_flipped_byte_is_survived(media: Media, case: str) -> None:
    data = bytearray(archive(media, case))
    for at in range(0, min(len(data), 5120), 1 if media == "zip" else 3):
        for mask in (0x01, 0x80, 0xFF):
            data[at] ^= mask
            survive(bytes(data), media)
            data[at] ^= mask


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["zip", "tar"]),
    st.sampled_from(sorted(CASES)),
    st.lists(st.tuples(st.integers(0, 1 << 16), st.binary(min_size=1, max_size=8)), max_size=6),
)
def test_overwritten_archives_are_survived(
    media: Media, case: str, edits: list[tuple[int, bytes]]
) -> None:
    data = bytearray(archive(media, case))
    for at, patch in edits:
        at %= len(data)
        data[at : at + len(patch)] = patch
    survive(bytes(data), media)


@given(st.binary(max_size=3000), st.sampled_from(["zip", "tar"]))
def test_noise_is_survived(noise: bytes, media: Media) -> None:
    survive(noise, media)
    survive(noise + b"PK\x05\x06" + noise[:18], media)


def test_planning_is_deterministic_and_a_large_directory_takes_little_memory() -> None:
    data = make_zip([(f"f{n % 7}/{n:06}.jpg", b"x") for n in range(4000)], 0)
    first = items(data, max_items=4000)
    assert first == items(data, max_items=4000)

    file = BytesIO(data)
    tracemalloc.start()
    count = sum(1 for _ in Contents(file, "zip", max_items=4000).items())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 4000
    assert peak < 3 * 1024 * 1024, "the directory was held, not streamed"


def test_a_hundred_thousand_members(record_property: Callable[[str, object], None]) -> None:

    data = large_zip(100_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        start = time.perf_counter()
        planned = items(data, max_items=100_000)
        seconds = time.perf_counter() - start
    record_property("plan_100k_s", round(seconds, 2))
    print(f"100,000 members planned in {seconds:.2f} s")
    assert [item.path for item in planned[:2]] == ["000000.jpg", "000001.jpg"]
    assert len(planned) == 100_000
    assert pictures(data, planned[50_000:50_003]) == [b"pixels"] * 3
