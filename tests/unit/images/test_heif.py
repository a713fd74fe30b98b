"""HEIC and HEIF files as phones write them, and what else may be in such a file."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import array, box, encode, quadrants
from PIL import Image

from visearch.errors import ImageCorrupt, ImageError, ImageTooLarge, UnsupportedImage
from visearch.images import Limits, decode
from visearch.images.heif import still

EXACT = {"quality": -1, "chroma": "444"}
PICTURE = encode(quadrants(), "HEIF", **EXACT)
PLAIN = array(quadrants())


def heif(*images: Image.Image, **options: object) -> bytes:
    file, out = pillow_heif.from_pillow(images[0]), io.BytesIO()
    for image in images[1:]:
        file.add_from_pillow(image)
    file.save(out, **EXACT | options)
    return out.getvalue()


def near(data: bytes, wanted: np.ndarray, tolerance: int = 2) -> bool:
    got = array(decode(data))
    return got.shape == wanted.shape and int(np.abs(got - wanted).max()) <= tolerance


def test_the_picture_comes_back() -> None:
    assert near(PICTURE, PLAIN)


@pytest.mark.parametrize("turns", range(4))
def test_a_turn_of_the_container_is_applied_once(turns: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = quadrants()
    image.info["exif"] = exif.tobytes()
    data = bytearray(heif(image))
    assert b"Exif" in data
    at = data.index(b"irot") + 4
    data[at] = 0
    stored = array(decode(bytes(data)))
    data[at] = turns
    assert near(bytes(data), np.rot90(stored, turns))


def test_a_mirror_of_the_container_is_applied_once() -> None:
    exif = Image.Exif()
    exif[0x0112] = 2
    image = quadrants()
    image.info["exif"] = exif.tobytes()
    data = bytearray(heif(image))
    at = data.index(b"imir") + 4
    one = array(decode(bytes(data)))
    data[at] ^= 1
    assert near(bytes(data), np.rot90(one, 2))
    assert not near(bytes(data), one, 100)


def test_transparent_pixels_are_white() -> None:
    image = quadrants().convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    assert (array(decode(heif(image))) >= 254).all()


@pytest.mark.parametrize(("mode", "channels"), [("RGB;16", 3), ("I;16", 1)])
def test_ten_bits_become_eight(mode: str, channels: int) -> None:
    values = np.full((32, 48, channels), 0x8000, np.uint16)
    out = io.BytesIO()
    pillow_heif.from_bytes(mode, (48, 32), values.tobytes()).save(out, quality=-1)
    assert np.abs(array(decode(out.getvalue())) - 128).max() <= 2


def test_of_several_pictures_the_primary_one_is_used() -> None:
    data = heif(
        Image.new("RGB", (64, 64)), quadrants(), Image.new("RGB", (80, 64)), primary_index=1
    )
    assert near(data, PLAIN)


def test_tiles_are_put_together() -> None:
    image = quadrants(480, 320)
    assert near(heif(image, tile_size=128), array(image))


VIDEO = box(b"moov", b"trak" * 9) + box(b"mdat", b"\x01" * 999)
TAILS = {
    "google": box(b"ftyp", b"mp42", bytes(4)) + VIDEO,
    "samsung": box(b"mpvd", box(b"ftyp", b"mp42", bytes(4)) + VIDEO) + b"SEFH\x65\x00\x00\x00",
    "cut off": box(b"ftyp", b"mp42", bytes(4)) + VIDEO[:-100] + VIDEO[:50],
    "other": b"no box at all",
    "a second picture": PICTURE,
    "without end": struct.pack(">I4s", 0, b"mpvd") + bytes(99),
    "64 bits": struct.pack(">I4sQ", 1, b"moov", 16 + 9) + bytes(9),
}


def top_boxes(data: bytes) -> Iterator[bytes]:
    while data:
        size, kind = struct.unpack_from(">I4s", data)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, 8)
        yield kind
        data = data[size:] if size else b""


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
def test_of_a_motion_photo_the_still_is_used(tail: bytes) -> None:
    assert near(PICTURE + tail, PLAIN)
    cut = still(PICTURE + tail)
    assert cut.startswith(PICTURE)
    assert set(top_boxes(cut[len(PICTURE) :])) <= {b"free", b"mdat"}


@pytest.mark.parametrize("kind", [b"unci", b"iden", b"iovl", b"j2k1", b"mski", b"av01"])
def test_other_content_does_not_reach_the_decoder(kind: bytes) -> None:
    data = PICTURE.replace(b"hvc1", kind, 1)
    with pytest.raises(UnsupportedImage, match=f"kind of HEIF .* of the kind {kind.decode()}"):
        decode(data)
    behind = heif(quadrants(), Image.new("RGB", (64, 64)))
    at = behind.index(b"hvc1", behind.index(b"hvc1") + 4)
    assert decode(behind).size == (48, 32)
    with pytest.raises(UnsupportedImage, match=f"of the kind {kind.decode()}"):
        decode(behind[:at] + kind + behind[at + 4 :])


def stored_as(width: int, height: int) -> bytes:
    """The picture, said to be stored in another size than it is (and cut to 48 x 32)."""
    at = PICTURE.index(b"ispe") + 8
    assert b"clap" in PICTURE and PICTURE[at : at + 8] == struct.pack(">II", 64, 64)
    return PICTURE[:at] + struct.pack(">II", width, height) + PICTURE[at + 8 :]


def test_limits_are_checked_before_any_pixel() -> None:
    with pytest.raises(ImageTooLarge, match="HEIF picture has 1,536"):
        decode(PICTURE, Limits(max_pixels=1000))
    with pytest.raises(
        ImageTooLarge, match=r"HEIF picture is cut from one of 4,096 pixels; .* 2,000"
    ):
        decode(PICTURE, Limits(max_pixels=2000))
    with pytest.raises(ImageTooLarge, match="900 million pixels; the limit is 64 million"):
        decode(stored_as(30_000, 30_000))


def test_a_picture_that_is_not_as_large_as_it_says() -> None:
    with pytest.raises(ImageCorrupt, match="HEIF file is truncated or broken"):
        decode(stored_as(128, 128))


TILED = heif(quadrants(160, 160), tile_size=64)


@settings(max_examples=150, deadline=None)
@given(
    data=st.sampled_from([PICTURE, TILED, PICTURE + TAILS["google"]]),
    cut=st.floats(0.1, 1),
    flips=st.lists(st.tuples(st.floats(0, 0.4), st.integers(1, 255)), max_size=4),
)
def test_damage_of_its_boxes_gives_a_picture_or_an_image_error(
    data: bytes, cut: float, flips: list[tuple[float, int]]
) -> None:
    damaged = bytearray(data[: int(cut * len(data))])
    for place, mask in flips:
        damaged[int(place * len(damaged))] ^= mask
    try:
        image = decode(bytes(damaged), Limits(max_pixels=1_000_000))
    except ImageError as error:
        assert error.detail.endswith(".")
    else:
        assert image.mode == "RGB"
