"""What a user may rely on when any picture file is handed to ``decode``."""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
import pytest
from pictures import CORNERS, LOSSLESS, LOSSY, array, chunk, encode, quadrants
from PIL import Image

from visearch.errors import UnsupportedImage
from visearch.images import decode
from visearch.images.formats import FORMATS


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_comes_back_as_the_picture_that_went_in(name: str) -> None:
    options, tolerance = (LOSSLESS[name], 0) if name in LOSSLESS else (LOSSY[name], 24)
    got = array(decode(encode(quadrants(), name, **options)))
    difference = np.abs(got - array(quadrants()))
    assert np.median(difference) <= min(tolerance, 3)
    # Away from the seams, where lossy codecs ring.
    assert difference[4:12, 4:20].max() <= tolerance


def test_phone_file_with_several_jpegs_is_read_as_its_first() -> None:
    data = encode(quadrants(), "MPO", save_all=True, append_images=[Image.new("RGB", (48, 32))])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    assert np.abs(array(decode(data))[4:12, 4:20] - (255, 0, 0)).max() < 12


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_tag_turns_the_picture_upright(name: str, orientation: int) -> None:
    # What a camera stores when it is held so: the inverse of what a viewer must do.
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = quadrants()
    if orientation > 1:
        stored = stored.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if name == "WEBP" else {}
    got = array(decode(encode(stored, name, exif=exif, **options)))
    assert got.shape == (32, 48, 3)
    for (y, x), colour in zip(
        [(8, 12), (8, 36), (24, 12), (24, 36)], CORNERS.values(), strict=True
    ):
        assert np.abs(got[y, x] - colour).max() < 30


def test_png_orientation_behind_the_pixels_counts() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(quadrants(), "PNG")
    end = data.rindex(b"IEND") - 4
    data = data[:end] + chunk(b"eXIf", exif.tobytes()[6:]) + data[end:]
    assert decode(data).size == (32, 48)


@pytest.mark.parametrize("name", ["JPEG", "WEBP"])
@pytest.mark.parametrize("exif", [b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0rubbish", b"Exif"])
def test_corrupt_exif_does_not_cost_the_picture(name: str, exif: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(encode(quadrants(), name, exif=exif)).size == (48, 32)


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "AVIF", "TIFF"])
def test_animation_is_its_first_frame(name: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "green")]
    data = encode(frames[0], name, save_all=True, append_images=frames[1:])
    assert np.abs(array(decode(data))[8, 8] - (255, 0, 0)).max() < 8


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"GIF", b"\0\0\0\x1cftypmp42" * 9],
)
def test_what_is_no_allowed_picture_is_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedImage, match="JPEG, PNG"):
        decode(data)


@pytest.mark.parametrize("name", ["PPM", "TGA", "ICO", "JPEG2000", "EPS", "PCX", "QOI"])
def test_formats_outside_the_list_never_open(name: str) -> None:
    with pytest.raises(UnsupportedImage):
        decode(encode(quadrants(), name))


def test_a_variant_of_an_allowed_format_is_unsupported_not_corrupt() -> None:
    data = bytearray(encode(quadrants(), "BMP"))
    data[28:30] = struct.pack("<H", 2)  # bits per pixel nobody ever used
    with pytest.raises(UnsupportedImage, match="kind of BMP"):
        decode(bytes(data))
