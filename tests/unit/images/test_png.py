"""PNGs with metadata of any size, and broken ones: the pixels come back all the same."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import array, chunk, encode, quadrants
from PIL import Image, ImageCms

from visearch.images import decode
from visearch.images.png import MAX_PROFILE, lean

PICTURE = encode(quadrants(), "PNG")
PLAIN = array(quadrants())


def with_chunks(*chunks: bytes, data: bytes = PICTURE) -> bytes:
    """Put chunks right behind the header."""
    return data[:33] + b"".join(chunks) + data[33:]


def icc(profile: bytes) -> bytes:
    return chunk(b"iCCP", b"name\x00\x00" + zlib.compress(profile))


BOMB = zlib.compress(bytes(30_000_000))
TEXTS = [
    chunk(b"zTXt", b"Comment\x00\x00" + BOMB),
    chunk(b"iTXt", b"XML:com.adobe.xmp\x00\x01\x00\x00\x00" + BOMB),
    chunk(b"iTXt", b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + b"x" * 2_000_000),
    chunk(b"tEXt", b"prompt\x00" + b"x" * 2_000_000),
]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_of_any_size_cost_nothing(text: bytes) -> None:
    data = with_chunks(*[text] * 3)
    assert lean(data) == (PICTURE, None)
    assert (array(decode(data)) == PLAIN).all()


@pytest.mark.parametrize("kind", [b"gAMA", b"cHRM", b"pHYs", b"eXIf", b"tRNS", b"acTL", b"iCCP"])
def test_damaged_metadata_costs_nothing(kind: bytes) -> None:
    broken = bytearray(chunk(kind, b"\x01"))
    broken[-1] ^= 1
    assert (array(decode(with_chunks(bytes(broken)))) == PLAIN).all()
    if kind != b"tRNS":  # one that is sound and too short is no metadata: pixels depend on it
        assert (array(decode(with_chunks(chunk(kind, b"\x01")))) == PLAIN).all()


def test_a_profile_counts_up_to_a_size_and_no_further() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    padded = profile + bytes(2_000_000)  # above what Pillow reads
    assert lean(with_chunks(icc(padded))) == (PICTURE, padded)
    for useless in (profile + bytes(MAX_PROFILE), profile[:100]):
        data = with_chunks(icc(useless))
        assert (array(decode(data)) == PLAIN).all()
    assert lean(with_chunks(icc(bytes(MAX_PROFILE + 1))))[1] is None
    assert lean(with_chunks(chunk(b"iCCP", b"name\x00\x00rubbish")))[1] is None


def test_transparency_and_orientation_are_kept() -> None:
    image = quadrants().quantize(8)
    data = encode(image, "PNG", transparency=image.getpixel((2, 2)))
    assert array(decode(with_chunks(TEXTS[0], data=data)))[2, 2].tolist() == [255, 255, 255]
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(quadrants(), "PNG", exif=exif)
    assert decode(with_chunks(TEXTS[3], data=data)).size == (32, 48)
    xmp = b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + b'<x tiff:Orientation="6"/>'
    assert decode(with_chunks(chunk(b"iTXt", xmp))).size == (32, 48)


def test_an_animation_with_a_still_of_its_own_is_the_still() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "green")]
    out = io.BytesIO()
    frames[0].save(out, "PNG", save_all=True, default_image=True, append_images=frames[1:])
    assert np.asarray(decode(out.getvalue()))[8, 8].tolist() == [255, 0, 0]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=30) | st.sampled_from([*TEXTS, PICTURE, PICTURE[8:]])))
def test_whatever_comes_it_ends_and_nothing_is_added(parts: list[bytes]) -> None:
    data = PICTURE[:8] + b"".join(parts)
    assert len(lean(data)[0]) <= len(data)
