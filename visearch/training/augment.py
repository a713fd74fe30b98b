"""Augmentations that turn a packshot into something like a shopper's photo of the product."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageFilter

from visearch.images import Preprocess

Pixels = npt.NDArray[np.uint8]

WHITE = (255, 255, 255)
_MAX_SHIFT = 0.12  # share of a side by which perspective moves a corner


def weak_view(image: Image.Image, rng: np.random.Generator, preprocess: Preprocess) -> Pixels:
    """Draw a view close to the catalog picture: a slight crop, perhaps mirrored.

    Returns the encoder's input, uint8 [size, size, 3].
    """
    return preprocess.pixels(_mirror(_crop(image, rng, least=0.64, stretch=0.0), rng))


def strong_view(
    image: Image.Image, rng: np.random.Generator, preprocess: Preprocess, strength: float
) -> Pixels:
    """Draw a view like a shopper's photo: uint8 [size, size, 3].

    Crop, light and compression always vary. ``strength`` 0..1 scales how often stronger
    changes happen: background, perspective, rotation, blur, noise, occlusion.
    """

    def happens(probability: float) -> bool:
        return bool(rng.random() < probability * strength)

    if happens(0.3):
        image = _background(image, rng)
    if happens(0.2):
        image = _perspective(image, rng)
    if happens(0.3):
        image = image.rotate(rng.uniform(-20, 20), Image.Resampling.BILINEAR, fillcolor=WHITE)
    image = _mirror(_crop(image, rng, least=0.4, stretch=0.25), rng)
    image = _light(image, rng)
    if happens(0.2):
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.5)))
    if rng.random() < 0.5:
        image = _recompress(image, int(rng.integers(20, 80)))
    pixels = preprocess.pixels(image)
    if happens(0.2):
        pixels = _noise(pixels, rng)
    return _occlude(pixels, rng) if happens(0.15) else pixels


def mixture(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw a mixture of ``pixels`` uint8 [n, S, S, 3]: two blended or joined, or a turned part.

    Mixtures cover far more of the space of pictures than the originals do, so a teacher's
    answers to them convey its general knowledge (Asano and Saeed 2023, arXiv:2112.00725;
    Zhang et al. 2018, arXiv:1710.09412; Yun et al. 2019, arXiv:1905.04899).
    """
    a, b = pixels[rng.integers(len(pixels))], pixels[rng.integers(len(pixels))]
    side, kind = a.shape[0], rng.random()
    if kind < 0.4:
        share = rng.uniform(0.3, 0.7)
        blend: Pixels = (a * share + b * (1 - share)).astype(np.uint8)
        return blend
    if kind < 0.7:
        cut = int(rng.integers(side // 4, 3 * side // 4))
        joined: Pixels = a.copy()
        if rng.random() < 0.5:
            joined[:cut] = b[:cut]
        else:
            joined[:, :cut] = b[:, :cut]
        return joined
    part = int(rng.integers(side // 4, side // 2))
    y, x = rng.integers(0, side - part, 2)
    zoomed = Image.fromarray(a[y : y + part, x : x + part]).resize((side, side))
    return np.asarray(zoomed.rotate(rng.uniform(0, 360), Image.Resampling.BILINEAR))


def _mirror(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else image


def _crop(
    image: Image.Image, rng: np.random.Generator, *, least: float, stretch: float
) -> Image.Image:
    """Crop to ``least``..1 of the area and change the aspect ratio by up to exp(±stretch)."""
    width, height = image.size
    scale, aspect = rng.uniform(least, 1.0), np.exp(rng.uniform(-stretch, stretch))
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
    """Replace white by a gradient from one side to the other."""
    pixels = np.array(image)
    height, width, _ = pixels.shape
    start, end = rng.integers(60, 256, (2, 3))
    along = np.linspace(0, 1, height)[:, None] if rng.random() < 0.5 else np.linspace(0, 1, width)
    ramp = start + np.broadcast_to(along, (height, width))[..., None] * (end - start)
    white = (pixels > 238).all(axis=2)
    pixels[white] = ramp[white].astype(np.uint8)
    return Image.fromarray(pixels)


def _perspective(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Change the perspective by moving the four corners inwards."""
    width, height = image.size
    dx, dy = rng.uniform(0, _MAX_SHIFT, 4) * width, rng.uniform(0, _MAX_SHIFT, 4) * height
    corners = (dx[0], dy[0], dx[1], height - dy[1], width - dx[2], height - dy[2])
    quad = (*corners, width - dx[3], dy[3])
    return image.transform(image.size, Image.Transform.QUAD, quad, Image.Resampling.BILINEAR)


def _recompress(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def _noise(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    grain = rng.normal(0, rng.uniform(3, 15), pixels.shape)
    return np.clip(pixels + grain, 0, 255).astype(np.uint8)


def _occlude(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    size = pixels.shape[0]
    w, h = rng.integers(size // 8, size // 2, 2)
    x, y = rng.integers(0, size - w), rng.integers(0, size - h)
    pixels = pixels.copy()
    pixels[y : y + h, x : x + w] = rng.integers(0, 256, 3)
    return pixels
