"""Augmentations that make a packshot look like a shopper's photo of the same product."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageFilter

from visearch.images import Preprocess

WHITE = (255, 255, 255)


def view(
    image: Image.Image, rng: np.random.Generator, preprocess: Preprocess, strength: float = 1.0
) -> npt.NDArray[np.uint8]:
    """Draw one random view of ``image``: uint8 [size, size, 3], as the encoder sees it.

    Crop, light and compression are always in play; ``strength`` 0..1 scales how often
    the coarser changes (background, turn, mirror, blur, occlusion) happen.
    """

    def happens(probability: float) -> bool:
        return bool(rng.random() < probability * strength)

    if happens(0.3):
        image = _background(image, rng)
    if happens(0.3):
        image = image.rotate(rng.uniform(-20, 20), Image.Resampling.BILINEAR, fillcolor=WHITE)
    image = _crop(image, rng)
    if happens(0.5):
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image = _light(image, rng)
    if happens(0.2):
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.5)))
    if rng.random() < 0.5:
        image = _recompress(image, int(rng.integers(20, 80)))
    pixels = preprocess.pixels(image)
    return _occlude(pixels, rng) if happens(0.15) else pixels


def _crop(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    width, height = image.size
    scale, aspect = rng.uniform(0.4, 1.0), np.exp(rng.uniform(-0.25, 0.25))
    w = max(8, min(width, round(width * np.sqrt(scale * aspect))))
    h = max(8, min(height, round(height * np.sqrt(scale / aspect))))
    x, y = rng.integers(0, max(1, width - w + 1)), rng.integers(0, max(1, height - h + 1))
    return image.crop((int(x), int(y), int(x) + w, int(y) + h))


def _light(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    for enhance, spread in (
        (ImageEnhance.Brightness, 0.35),
        (ImageEnhance.Contrast, 0.3),
        (ImageEnhance.Color, 0.3),
    ):
        image = enhance(image).enhance(rng.uniform(1 - spread, 1 + spread))
    return image


def _background(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image).copy()
    pixels[(pixels > 238).all(axis=2)] = rng.integers(60, 256, 3)
    return Image.fromarray(pixels)


def _recompress(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def _occlude(pixels: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    size = pixels.shape[0]
    w, h = rng.integers(size // 8, size // 2, 2)
    x, y = rng.integers(0, size - w), rng.integers(0, size - h)
    pixels = pixels.copy()
    pixels[y : y + h, x : x + w] = rng.integers(0, 256, 3)
    return pixels
