"""Impulse noise is found and removed; pictures without it are left alone."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from PIL import Image

from visearch.demo.draw import products
from visearch.images import Preprocess
from visearch.images.decode import decode
from visearch.images.denoise import MAX_PIXELS, denoised, median3
from visearch.images.edit import edit

Pixels = np.ndarray
PREPROCESS = Preprocess(size=160, fit="stretch", mean=(0.5,) * 3, std=(0.5,) * 3)


@cache
def pictures() -> list[Image.Image]:
    """Return catalog pictures, and a shopper's edits of them, which are JPEGs."""
    drawn = [view.convert("RGB") for product in products(12, 7) for view in product.views]
    small = [image.resize((300, 300), Image.Resampling.BICUBIC) for image in drawn]
    rng = np.random.default_rng(0)
    return [*small, *(decode(edit(image, rng)) for image in small)]


def peppered(image: Image.Image, share: float) -> Image.Image:
    """Make a share of the pixels black or white."""
    rng = np.random.default_rng(1)
    pixels = np.array(image)
    hit = rng.random(pixels.shape[:2]) < share
    pixels[hit] = rng.choice(np.array([0, 255], np.uint8), (int(hit.sum()), 1))
    return Image.fromarray(pixels)


def error(one: Image.Image, other: Image.Image) -> float:
    """Return the mean squared difference, in grey levels squared."""
    return float(np.square(np.array(one, float) - np.array(other, float)).mean())


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3), (47, 30), (224, 300)])
def test_the_median_is_that_of_each_neighbourhood(size: tuple[int, int]) -> None:
    width, height = size
    pixels = np.random.default_rng(2).integers(0, 256, (height, width, 3), np.uint8)
    padded = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (0, 1))
    assert np.array_equal(median3(pixels), np.median(windows, axis=(3, 4)))


def test_clean_pictures_stay_as_they_are() -> None:
    assert [image for image in pictures() if denoised(image) is not image] == []


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1])
def test_salt_and_pepper_is_removed(share: float) -> None:
    for clean in pictures():
        noisy = peppered(clean, share)
        before = noisy.tobytes()
        again = denoised(noisy)
        assert (again.mode, again.size) == ("RGB", clean.size)
        assert noisy.tobytes() == before
        assert error(again, clean) < 0.15 * error(noisy, clean)


def test_pixels_that_are_no_impulses_are_not_touched() -> None:
    pixels = np.random.default_rng(3).integers(100, 156, (90, 90, 3), np.uint8)
    hit = np.zeros((90, 90), bool)
    hit[5:85:5, 5:85:5] = True
    noisy = pixels.copy()
    noisy[hit] = 255
    again = np.asarray(denoised(Image.fromarray(noisy)))
    assert np.array_equal(again[~hit], pixels[~hit])
    assert again[hit].max() < 156


def test_one_channel_is_enough_to_be_an_impulse() -> None:
    pixels = np.full((50, 50, 3), 128, np.uint8)
    pixels[5:45:5, 5:45:5, 1] = 0
    assert (np.asarray(denoised(Image.fromarray(pixels))) == 128).all()


@pytest.mark.parametrize("deviation", [10, 25, 50])
def test_sensor_noise_is_left_to_the_encoder(deviation: float) -> None:
    rng = np.random.default_rng(4)
    for clean in pictures():
        grain = np.array(clean) + rng.normal(0, deviation, (clean.height, clean.width, 3))
        noisy = Image.fromarray(np.rint(grain).clip(0, 255).astype(np.uint8))
        assert denoised(noisy) is noisy


def test_in_a_large_picture_the_resize_does_it() -> None:
    clean = pictures()[0].resize((1001, 1000), Image.Resampling.BICUBIC)
    assert clean.width * clean.height > MAX_PIXELS
    noisy = peppered(clean, 0.05)
    assert denoised(noisy) is noisy
    seen = [np.array(PREPROCESS.pixels(image), float) for image in (clean, noisy)]
    assert np.abs(seen[0] - seen[1]).mean() < 10
