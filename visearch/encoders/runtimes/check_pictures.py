"""Pictures that a way to run an encoder is checked on: drawn things, and copies of some of them.

They come from a seed, so that every machine checks the same.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageEnhance

GALLERY, COPIES = 256, 128
_KINDS = 32
"""Pictures of one kind have the same forms, in other colours and places: they are neighbours."""

Pixels = npt.NDArray[np.uint8]


def check_pictures(size: int) -> tuple[Pixels, Pixels]:
    """Return pictures uint8 [256, size, size, 3], and edited copies of the first 128 of them."""
    rng = np.random.default_rng(0)
    drawn = [_drawn(number % _KINDS, rng, size) for number in range(GALLERY)]
    copies = [_edited(image, rng) for image in drawn[:COPIES]]
    return np.stack([np.asarray(each) for each in drawn]), np.stack(
        [np.asarray(each) for each in copies]
    )


def _drawn(kind: int, rng: np.random.Generator, size: int) -> Image.Image:
    forms = np.random.default_rng(kind)
    ramp = np.linspace(0, 1, size)[:, None, None] * np.ones((1, size, 1))
    above, below = rng.uniform(120, 255, (2, 3))
    image = Image.fromarray((above * ramp + below * (1 - ramp)).astype(np.uint8), "RGB")
    pen = ImageDraw.Draw(image)
    shift = rng.uniform(-0.08, 0.08, 2)
    for _ in range(int(forms.integers(2, 6))):
        x, y = forms.uniform(0.15, 0.65, 2) + shift
        wide, high = forms.uniform(0.1, 0.4, 2)
        box = [x * size, y * size, (x + wide) * size, (y + high) * size]
        colour = tuple(int(each) for each in rng.integers(0, 256, 3))
        which = int(forms.integers(0, 3))
        if which == 0:
            pen.ellipse(box, fill=colour)
        elif which == 1:
            pen.rectangle(box, fill=colour)
        else:
            left, top, right, bottom = box
            pen.polygon([left, bottom, (left + right) / 2, top, right, bottom], fill=colour)
    return image


def _edited(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return a copy as a shopper's camera makes one: cropped, of another brightness, with noise."""
    side = image.width
    cut = int(rng.uniform(0.03, 0.12) * side)
    copy = image.crop((cut, cut // 2, side - cut // 2, side - cut)).resize((side, side))
    copy = ImageEnhance.Brightness(copy).enhance(float(rng.uniform(0.75, 1.25)))
    noisy = np.asarray(copy, np.float32) + rng.normal(0, 6, (side, side, 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8), "RGB")
