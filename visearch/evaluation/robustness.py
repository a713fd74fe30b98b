"""How much damage a photo can take before its original is no longer found.

Five kinds of damage at graded severities, after Hendrycks and Dietterich 2019,
"Benchmarking Neural Network Robustness to Common Corruptions and Perturbations". Every
picture is first scaled to ``SIDE`` px on its longer side, so that a blur of 2 px means the
same for all. It has its own random generator, so that every encoder sees the same damage.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

SIDE = 256

Damage = Callable[[Image.Image, float, np.random.Generator], Image.Image]


@dataclass(frozen=True)
class Corruption:
    """One kind of damage and its severities, mild to severe, in ``unit``."""

    name: str
    unit: str
    severities: tuple[float, ...]
    damage: Damage


def noise(image: Image.Image, deviation: float, rng: np.random.Generator) -> Image.Image:
    """Add Gaussian noise to each channel; ``deviation`` is in grey levels (0..255)."""
    pixels = np.asarray(image) + rng.normal(0.0, deviation, (image.height, image.width, 3))
    return Image.fromarray(np.rint(pixels).clip(0, 255).astype(np.uint8))


def blur(image: Image.Image, radius: float, _rng: np.random.Generator) -> Image.Image:
    """Blur with a Gaussian; ``radius`` is its standard deviation in px."""
    return image.filter(ImageFilter.GaussianBlur(radius))


def jpeg(image: Image.Image, quality: float, _rng: np.random.Generator) -> Image.Image:
    """Compress as JPEG at ``quality`` 1..95 and decode it again."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=round(quality))
    return Image.open(buffer).convert("RGB")


def rotation(image: Image.Image, degrees: float, rng: np.random.Generator) -> Image.Image:
    """Rotate left or right, at random, on a white canvas that grows so that nothing is cut off."""
    angle = degrees * rng.choice((-1, 1))
    return image.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor="white")


def occlusion(image: Image.Image, share: float, rng: np.random.Generator) -> Image.Image:
    """Cover ``share`` 0..1 of the area with a grey rectangle of the picture's proportions."""
    width, height = (max(1, round(side * share**0.5)) for side in image.size)
    left = int(rng.integers(0, image.width - width + 1))
    top = int(rng.integers(0, image.height - height + 1))
    covered = image.copy()
    covered.paste((128, 128, 128), (left, top, left + width, top + height))
    return covered


CORRUPTIONS = (
    Corruption("noise", "standard deviation, grey levels", (8, 16, 32, 64), noise),
    Corruption("blur", "standard deviation, px", (1, 2, 4, 8), blur),
    Corruption("jpeg", "quality", (40, 20, 10, 5), jpeg),
    Corruption("rotation", "degrees", (10, 20, 45, 90), rotation),
    Corruption("occlusion", "share of the area", (0.1, 0.2, 0.35, 0.5), occlusion),
)


def damaged(image: Image.Image, seed: int) -> Iterator[Image.Image]:
    """Yield an RGB picture scaled only, then with each corruption at each severity.

    The order is that of ``CORRUPTIONS`` and their severities. ``seed`` determines the random
    choices, independently for each picture yielded.
    """
    scale = SIDE / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    scaled = image.resize((width, height), Image.Resampling.BICUBIC)
    yield scaled
    for kind, corruption in enumerate(CORRUPTIONS):
        for step, severity in enumerate(corruption.severities):
            rng = np.random.default_rng([seed, kind, step])
            yield corruption.damage(scaled, severity, rng)
