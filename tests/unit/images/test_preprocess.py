"""What an encoder and the result page may rely on: fits, crops, thumbnails, identity."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import numpy as np
import pytest
from PIL import Image

from visearch.encoders.spec import resolve
from visearch.errors import InvalidRequest
from visearch.images import Preprocess, crop_box, thumbnail

BASE: dict[str, Any] = {
    "size": 32,
    "fit": "pad",
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
}


def make(**changes: Any) -> Preprocess:
    return Preprocess(**{**BASE, **changes})


def stripes(width: int, height: int) -> Image.Image:
    """Left third red, middle third green, right third blue."""
    image = Image.new("RGB", (width, height), "green")
    image.paste((255, 0, 0), (0, 0, width // 3, height))
    image.paste((0, 0, 255), (width - width // 3, 0, width, height))
    return image


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (33, 31), (32, 32), (640, 480)])
def test_every_shape_becomes_the_encoders_shape(fit: str, size: tuple[int, int]) -> None:
    pixels = make(fit=fit).pixels(Image.new("RGB", size, (10, 20, 30)))
    assert pixels.shape == (32, 32, 3) and pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous and pixels.flags.writeable
    assert (pixels[15, 15] == (10, 20, 30)).all()


def test_pad_keeps_everything_centred_on_white() -> None:
    pixels = make(fit="pad").pixels(stripes(96, 48))
    assert (pixels[:8] == 255).all() and (pixels[24:] == 255).all()
    assert pixels[16, 4].tolist() == [255, 0, 0] and pixels[16, 28].tolist() == [0, 0, 255]
    assert (pixels[8:24] != 255).any(axis=-1).all()


def test_crop_keeps_the_centre_only() -> None:
    pixels = make(fit="crop").pixels(stripes(96, 32))
    assert (np.abs(pixels[:, 3:-3].astype(int) - (0, 128, 0)) <= 2).all()
    tall = make(fit="crop").pixels(stripes(96, 32).transpose(Image.Transpose.ROTATE_90))
    assert (np.abs(tall[3:-3].astype(int) - (0, 128, 0)) <= 2).all()


def test_stretch_shows_everything_without_white() -> None:
    pixels = make(fit="stretch").pixels(stripes(96, 48))
    assert pixels[0, 4].tolist() == [255, 0, 0] and pixels[31, 28].tolist() == [0, 0, 255]
    assert not (pixels == 255).all(axis=-1).any()


def test_large_pictures_are_averaged_not_sampled() -> None:
    checks = np.indices((1024, 1024)).sum(0) % 2 * 255
    image = Image.fromarray(checks.astype(np.uint8)).convert("RGB")
    pixels = make(fit="stretch").pixels(image).astype(int)
    assert np.abs(pixels - 127.5).max() < 3


def test_pixels_are_the_same_every_time_and_leave_the_picture_alone() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 200, 3), np.uint8)
    image = Image.fromarray(noise)
    first = make().pixels(image)
    assert (first == make().pixels(image)).all()
    assert (np.asarray(image) == noise).all()


def test_pixels_refuses_what_did_not_come_from_decode() -> None:
    with pytest.raises(ValueError, match="not RGBA"):
        make().pixels(Image.new("RGBA", (4, 4)))


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 33},
        {"fit": "crop"},
        {"mean": (0.5, 0.456, 0.406)},
        {"std": (0.5, 0.224, 0.225)},
    ],
)
def test_identity_changes_with_every_field(changes: dict[str, Any]) -> None:
    assert make().identity() == make().identity()
    assert make(**changes).identity() != make().identity()
    assert all(name in make().identity() for name in (*BASE, "denoise"))


def test_identity_is_pinned() -> None:
    assert make().identity() == (
        "preprocess-v1(size=32,fit='pad',mean=(0.485, 0.456, 0.406),"
        "std=(0.229, 0.224, 0.225),denoise='none')"
    )
    assert make(mean=[0, 0, 0]).identity() == make(mean=(0.0, 0.0, 0.0)).identity()


def test_the_bundled_encoder_keeps_its_fingerprint() -> None:
    """Every stored catalog names it; another one would refuse them all."""
    assert resolve("bundled").fingerprint == "mobilenet_v2_trio-961dd6443636aeaf"


def test_dict_survives_json() -> None:
    for preprocess in (make(), make(fit="crop")):
        again = Preprocess.from_dict(json.loads(json.dumps(preprocess.to_dict())))
        assert again == preprocess and again.identity() == preprocess.identity()


def test_the_stored_form_is_pinned() -> None:
    stored = {"version": 1, **BASE, "denoise": "none"}
    assert make().to_dict() == stored
    assert Preprocess.from_dict(stored) == make()


@pytest.mark.parametrize("value", ["median", "yes", None])
def test_from_dict_refuses_another_denoise(value: Any) -> None:
    with pytest.raises(ValueError, match=f"denoise is {value!r}, not 'none'"):
        Preprocess.from_dict({**make().to_dict(), "denoise": value})


@pytest.mark.parametrize("key", ["version", "size", "fit", "mean", "std", "denoise"])
def test_from_dict_names_the_missing_key(key: str) -> None:
    data = make().to_dict()
    del data[key]
    with pytest.raises(ValueError, match=f"lacks {key}"):
        Preprocess.from_dict(data)


def test_from_dict_names_the_unknown_key_and_version() -> None:
    with pytest.raises(ValueError, match="unknown colour"):
        Preprocess.from_dict({**make().to_dict(), "colour": 1})
    with pytest.raises(ValueError, match="version is 2"):
        Preprocess.from_dict({**make().to_dict(), "version": 2})


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 0},
        {"size": 32.0},
        {"size": True},
        {"fit": "zoom"},
        {"mean": (0.1, 0.2)},
        {"mean": (0.1, 0.2, math.nan)},
        {"std": (0.1, 0.0, 0.1)},
    ],
)
def test_impossible_fields_are_refused_by_name(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        make(**changes)


def test_crop_box_cuts_the_fraction_it_names() -> None:
    image = stripes(90, 40)
    assert crop_box(image, (0, 0, 1, 1)).size == (90, 40)
    middle = crop_box(image, (1 / 3, 0.25, 2 / 3, 0.75))
    assert middle.size == (30, 20)
    assert middle.getcolors() == [(600, (0, 128, 0))]
    assert crop_box(Image.new("RGB", (10, 10)), (0.2, 0.2, 0.3, 0.3)).size == (1, 1)
    assert crop_box(Image.new("RGB", (10, 10)), (0.9, 0.9, 1, 1)).size == (1, 1)


@pytest.mark.parametrize(
    "box",
    [
        (0, 0, 0, 1),
        (0.5, 0, 0.4, 1),
        (-0.1, 0, 1, 1),
        (0, 0, 1.1, 1),
        (0, 0, 0.009, 1),
        (math.nan, 0, 1, 1),
        (0, 0, 1, math.nan),
        (0, 0, math.inf, 1),
    ],
)
def test_crop_box_refuses_what_is_no_part_of_the_picture(box: Any) -> None:
    with pytest.raises(InvalidRequest, match="box") as caught:
        crop_box(Image.new("RGB", (100, 100)), box)
    assert caught.value.fields[0][0] == "/box"


def test_thumbnail_is_a_small_progressive_jpeg_without_metadata() -> None:
    image = stripes(1000, 500)
    image.info |= {"icc_profile": b"x" * 200, "comment": b"secret", "dpi": (300, 300)}
    data = thumbnail(image)
    again = Image.open(io.BytesIO(data))
    assert (again.format, again.mode, again.size) == ("JPEG", "RGB", (320, 160))
    assert again.info["progressive"]
    assert not {"icc_profile", "exif", "comment", "dpi"} & set(again.info)
    assert b"secret" not in data and "icc_profile" in image.info
    assert np.abs(np.asarray(again)[80, 50].astype(int) - (255, 0, 0)).max() < 12


def test_thumbnail_never_enlarges_and_repeats_itself() -> None:
    image = stripes(30, 20)
    assert Image.open(io.BytesIO(thumbnail(image))).size == (30, 20)
    assert thumbnail(image) == thumbnail(image.copy())
    assert Image.open(io.BytesIO(thumbnail(Image.new("RGB", (4000, 1)), 16))).size == (16, 1)
    with pytest.raises(ValueError, match="side must be 1"):
        thumbnail(image, 0)
