"""Alpha, palettes, deep samples, inks and profiles: ``decode`` shows the right colours."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from pictures import array, chunk, encode, png, quadrants, tiff
from PIL import Image, ImageCms

from visearch.images import decode


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_alpha_lies_on_white(mode: str) -> None:
    image = Image.new("RGBA", (3, 1), (0, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 128))
    image.putpixel((2, 0), (0, 0, 0, 0))
    data = encode(image.convert(mode), "TIFF" if mode == "PA" else "PNG")
    assert np.abs(array(decode(data))[0, :, 0] - (0, 127, 255)).max() <= 1


def test_palette_transparency_lies_on_white() -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([0, 0, 0, 10, 20, 30, 200, 0, 0])
    for i in range(3):
        image.putpixel((i, 0), i)
    one = array(decode(encode(image, "GIF", transparency=1)))
    assert one[0].tolist() == [[0, 0, 0], [255, 255, 255], [200, 0, 0]]
    many = array(decode(encode(image, "PNG", transparency=bytes([255, 0, 0]))))
    assert many[0].tolist() == [[0, 0, 0], [255, 255, 255], [255, 255, 255]]


@pytest.mark.parametrize(
    ("colour_type", "depth", "row", "key"),
    [
        (0, 1, b"\x40", b"\0\1"),
        (0, 2, b"\x10", b"\0\1"),
        (0, 4, b"\x05", b"\0\5"),
        (0, 8, b"\x00\x50", b"\0\x50"),
        (0, 16, b"\x00\x00\x50\x51", b"\x50\x51"),
        (2, 8, b"\0\0\0\1\2\3", b"\0\1\0\2\0\3"),
        (2, 16, b"\0" * 6 + b"\x10\x11\x20\x21\x30\x31", b"\x10\x11\x20\x21\x30\x31"),
    ],
)
def test_png_key_colour_is_transparent_at_every_depth(
    colour_type: int, depth: int, row: bytes, key: bytes
) -> None:
    got = array(decode(png(colour_type, depth, 2, [row], chunk(b"tRNS", key))))
    assert got[0].tolist() == [[0, 0, 0], [255, 255, 255]]


@pytest.mark.parametrize("name", ["JPEG", "TIFF"])
def test_cmyk_is_not_inverted(name: str) -> None:
    ink = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # magenta + yellow print red
    ink.paste((0, 0, 0, 0), (8, 0, 16, 16))  # no ink is paper
    got = array(decode(encode(ink, name)))
    assert np.abs(got[8, 2] - (255, 0, 0)).max() < 10
    assert np.abs(got[8, 14] - 255).max() < 10


@pytest.mark.parametrize(
    ("mode", "dtype", "top"),
    [("I;16", "<u2", 65535), ("I;16B", ">u2", 65535), ("I", "<i4", 65535), ("F", "<f4", 1.0)],
)
def test_deep_ramps_span_the_whole_range(mode: str, dtype: str, top: float) -> None:
    ramp = np.linspace(0, top, 256).astype(dtype).reshape(1, -1).repeat(4, 0)
    image = Image.frombuffer(mode, (256, 4), ramp.tobytes(), "raw", mode, 0, 1)
    grey = array(decode(encode(image, "TIFF")))[0, :, 0]
    assert grey[0] == 0 and grey[-1] == 255
    assert (np.diff(grey) >= 0).all() and len(np.unique(grey)) > 200


def test_16_bit_png_ramp_spans_the_whole_range() -> None:
    row = np.linspace(0, 65535, 256).astype(">u2").tobytes()
    assert array(decode(png(0, 16, 256, [row])))[0, :, 0].tolist() == list(range(256))


@pytest.mark.parametrize(
    ("bits", "white_is_zero", "pixels", "want"),
    [
        (12, False, b"\xff\xf0\x00", [255, 0]),
        (16, False, b"\xff\xff\x00\x00", [255, 0]),
        (16, True, b"\xff\xff\x00\x00", [0, 255]),
    ],
)
def test_deep_tiff_variants(bits: int, white_is_zero: bool, pixels: bytes, want: list[int]) -> None:
    data = tiff({256: 2, 257: 1, 258: bits, 262: 1 - white_is_zero, 278: 1}, pixels)
    assert array(decode(data))[0, :, 0].tolist() == want


def test_numbers_without_a_range_are_spread_and_nan_is_black() -> None:
    values = np.array([[-500.0, 0.0, 1500.0, np.nan, np.inf]], np.float32)
    got = array(decode(encode(Image.fromarray(values), "TIFF")))[0, :, 0]
    assert got.tolist() == [0, 64, 255, 0, 255]


@pytest.mark.parametrize("mode", ["1", "L", "P", "YCbCr", "LAB"])
def test_other_colour_modes_show_the_same_colours(mode: str) -> None:
    source = quadrants() if mode in ("P", "YCbCr", "LAB") else quadrants().convert("L")
    want = np.asarray(source.convert(mode).convert("RGB")).astype(np.int16)
    got = array(decode(encode(source.convert(mode), "TIFF")))
    assert np.abs(got - want).max() <= 6 and want.std() > 50


def wide_gamut() -> bytes:
    """sRGB's profile with red and green swapped: a conversion nobody can miss."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", profile[128:132])[0]
    at = {bytes(profile[p : p + 4]): p for p in range(132, 132 + 12 * count, 12)}
    red, green = at[b"rXYZ"], at[b"gXYZ"]
    profile[red + 4 : red + 12], profile[green + 4 : green + 12] = (
        profile[green + 4 : green + 12],
        profile[red + 4 : red + 12],
    )
    return bytes(profile)


@pytest.mark.parametrize("name", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_embedded_profile_is_applied(name: str) -> None:
    red = Image.new("RGB", (16, 16), (255, 0, 0))
    got = array(decode(encode(red, name, icc_profile=wide_gamut())))[8, 8]
    assert np.abs(got - (0, 255, 0)).max() < 12


def test_srgb_profile_changes_nothing_and_a_broken_one_is_ignored() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, srgb[:200], b"rubbish", wide_gamut()[:-700]):
        data = encode(quadrants(), "PNG", icc_profile=profile)
        assert (array(decode(data)) == array(quadrants())).all()


def linear_grey() -> bytes:
    """A minimal grey profile with gamma 1, where the middle is much brighter than in sRGB."""
    white = b"XYZ \0\0\0\0" + struct.pack(">III", 0xF6D6, 0x10000, 0xD32D)
    curve = b"curv\0\0\0\0" + struct.pack(">I", 0)
    table = struct.pack(">I4sII4sII", 2, b"wtpt", 156, len(white), b"kTRC", 176, len(curve))
    body = table + white + curve
    head = struct.pack(
        ">I4sI4s4s4s", 128 + len(body), b"lcms", 0x02400000, b"mntr", b"GRAY", b"XYZ "
    )
    head = head.ljust(36, b"\0") + b"acsp" + bytes(28) + white[8:]
    return head.ljust(128, b"\0") + body


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey_profile_is_applied_to_a_grey_picture_only(mode: str) -> None:
    grey = Image.new("L", (8, 8), 64)
    got = array(decode(encode(grey.convert(mode), "PNG", icc_profile=linear_grey())))
    assert np.abs(got - 137).max() <= 2  # sRGB's code for a quarter of the light
    colour = encode(grey.convert("RGB"), "PNG", icc_profile=linear_grey())
    assert (array(decode(colour)) == 64).all()


def test_colour_profile_on_a_grey_picture_keeps_its_greys() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encode(quadrants().convert("L"), "PNG", icc_profile=srgb)
    assert (array(decode(data)) == array(quadrants().convert("L").convert("RGB"))).all()
