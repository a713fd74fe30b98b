"""Large, damaged and concurrent: what ``decode`` promises when things go wrong."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import LOSSLESS, LOSSY, array, encode, quadrants, tiff
from PIL import Image

from visearch.errors import ImageCorrupt, ImageError, ImageTooLarge
from visearch.images import Limits, decode
from visearch.images.formats import FORMATS
from visearch.settings import Settings

FreshPython = Callable[..., list[str]]


def test_default_limits_are_the_settings() -> None:
    known = Settings()
    assert Limits() == Limits(known.max_image_bytes, known.max_image_pixels, known.max_image_side)
    assert Limits.of(Settings(max_image_bytes=1, max_image_pixels=2, max_image_side=3)) == Limits(
        max_bytes=1, max_pixels=2, max_side=3
    )


def test_limits_name_the_number_and_the_limit() -> None:
    data = encode(quadrants(48, 32), "PNG")
    for limits, number, limit in (
        (Limits(max_bytes=50), f"{len(data):,}", "50"),
        (Limits(max_pixels=1535), "1,536", "1,535"),
        (Limits(max_side=47), "48 x 32", "47"),
    ):
        with pytest.raises(ImageTooLarge) as caught:
            decode(data, limits)
        assert number in str(caught.value) and limit in str(caught.value)
    assert decode(data, Limits(len(data), 48 * 32, 48)).size == (48, 32)


HUGE = """
    import resource, struct, sys, time, zlib
    from visearch.errors import ImageTooLarge
    from visearch.images import decode
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind+body))
    kib = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    before, start, refused = kib(), time.perf_counter(), 0
    body = zlib.compress(bytes(4_000_000))
    for width, height in ((16000, 16000), (9000, 9000), (2**31 - 1, 2**31 - 1), (20000, 10)):
        head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        data = b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body)
        try:
            decode(data)
        except ImageTooLarge:
            refused += 1
    print(refused, kib() - before, time.perf_counter() - start)
"""


def test_huge_declared_sizes_are_refused_before_any_pixel(fresh_python: FreshPython) -> None:
    refused, kib, seconds = fresh_python(HUGE)
    assert refused == "4"
    assert int(kib) < 64 * 1024, "KiB more than before"
    assert float(seconds) < 2.0


def test_tiff_of_a_small_picture_in_a_giant_tile_is_refused() -> None:
    sizes = {256: 8, 257: 8, 258: 8, 262: 1, 322: 40000, 323: 40000}
    data = tiff(sizes, bytes(64), offset_tag=324)
    with pytest.raises(ImageTooLarge, match=r"tiles of 1\.6 billion pixels"):
        decode(data)


@pytest.mark.parametrize(
    ("at_least", "height"), [(1, 100), (100, 100), (250, 400), (400, 400), (799, 800), (5000, 800)]
)
def test_at_least_saves_work_and_never_undershoots(at_least: int, height: int) -> None:
    got = decode(encode(quadrants(1600, 800), "JPEG"), at_least=at_least)
    assert got.size == (2 * height, height)
    assert np.abs(array(got)[height // 4, height // 2] - (255, 0, 0)).max() < 12


def test_at_least_below_one_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="at_least must be 1"):
        decode(encode(quadrants(), "JPEG"), at_least=0)


SAMPLES = {name: encode(quadrants(), name, **(LOSSLESS | LOSSY)[name]) for name in FORMATS}


@pytest.mark.parametrize("name", FORMATS)
def test_half_a_file_is_corrupt(name: str) -> None:
    assert decode(SAMPLES[name]).size == (48, 32)
    with pytest.raises(ImageCorrupt, match=rf"{name} file is truncated or broken"):
        decode(SAMPLES[name][: len(SAMPLES[name]) // 2])


@settings(max_examples=400, deadline=None)
@given(
    name=st.sampled_from(FORMATS),
    cut=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), max_size=6),
    whole=st.booleans(),
)
def test_damage_gives_a_picture_or_an_image_error(
    name: str, cut: float, flips: list[tuple[float, int]], whole: bool
) -> None:
    data = bytearray(SAMPLES[name] if whole else SAMPLES[name][: int(cut * len(SAMPLES[name]))])
    for place, mask in flips if data else []:
        data[int(place * len(data))] ^= mask
    limits = Limits(max_pixels=1_000_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            image = decode(bytes(data), limits)
        except ImageError as error:
            assert error.code in ("unsupported_image", "image_too_large", "image_corrupt")
            assert error.detail.endswith(".") and "\n" not in error.detail
        else:
            assert array(image).shape == (image.height, image.width, 3)


def test_sixteen_threads_decode_at_once_while_warnings_are_errors() -> None:
    # This EXIF makes Pillow warn, and so does nearly every byte of metadata it half reads.
    bad = encode(quadrants(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff")
    files = [*SAMPLES.values(), bad] * 20
    want = [array(decode(data)) for data in files[: len(SAMPLES) + 1]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with ThreadPoolExecutor(16) as pool:
            got = list(pool.map(decode, files))
    assert len(got) == 180
    for i, image in enumerate(got):
        assert (array(image) == want[i % len(want)]).all()


def test_pillow_would_have_warned_about_that_exif() -> None:
    bad = encode(quadrants(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        Image.open(io.BytesIO(bad)).getexif().get(0x0112)
    assert seen, "the thread test above would prove nothing"


class SoftTimeLimit(Exception):
    """As a task runner raises it into whatever is running."""


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (MemoryError(), ImageTooLarge),
        (KeyError("x"), ImageCorrupt),
        (SoftTimeLimit(), SoftTimeLimit),
    ],
)
def test_only_what_the_file_caused_is_blamed_on_the_file(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, expected: type[Exception]
) -> None:
    def load(self: Image.Image) -> None:
        raise raised

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", load)
    with pytest.raises(expected):
        decode(SAMPLES["PNG"])


def test_a_jpeg_of_endless_scans_is_refused_unread() -> None:
    data = encode(quadrants(64, 64), "JPEG", progressive=True)
    assert decode(data).size == (64, 64)
    at = data.rindex(b"\xff\xda")
    with pytest.raises(ImageTooLarge, match="scans"):
        decode(data[:at] + data[at:-2] * 200 + data[-2:])
