"""A catalog picture as a shopper might send it, to test encoders with."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageEnhance


def edit(image: Image.Image, rng: np.random.Generator) -> bytes:
    """Return a JPEG as a shopper might send it.

    The picture is cropped to 80 % of each side, its brightness changed by up to 20 %, and
    the result compressed at quality 40.
    """
    width, height = image.size
    w, h = round(width * 0.8), round(height * 0.8)
    x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    cut = image.crop((x, y, x + w, y + h))
    cut = ImageEnhance.Brightness(cut).enhance(rng.uniform(0.8, 1.2))
    out = io.BytesIO()
    cut.save(out, "JPEG", quality=40)
    return out.getvalue()
