"""The pen: anti-aliased masks in a 100 x 100 drawing, painted over each other.

A mask is an ``L`` picture at three times the size of the finished sprite. Fills and shades
add masks to a ``Sketch``, which records for each pixel how much of each *role* of paint is
visible. So a kind of product is drawn only once, and each colour and pattern is a weighted
sum, which makes a catalog cheap to draw.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

SIZE = 400
"""Side of a sprite in pixels, which is 100 units of the drawing."""
SUPER = 3
UNIT = SIZE * SUPER / 100

RGB = tuple[int, int, int]
Role = Literal["body", "main", "trim"]
Plane = npt.NDArray[np.float32]
Point = tuple[float, float]

# Violet shadows and cream lights: black and white would look dirty.
SHADOW: RGB = (34, 24, 56)
LIGHT: RGB = (255, 252, 244)


def clamp(values: npt.NDArray[np.floating]) -> Plane:
    """Return the values clipped to 0 … 1, as float32."""
    return np.asarray(np.clip(values, 0, 1), dtype=np.float32)


def blank() -> Image.Image:
    """Return an empty mask, 1200 x 1200 ``L``."""
    return Image.new("L", (SIZE * SUPER, SIZE * SUPER), 0)


def _pixels(points: list[Point]) -> list[Point]:
    return [(x * UNIT, y * UNIT) for x, y in points]


def ellipse(x0: float, y0: float, x1: float, y1: float) -> Image.Image:
    """Return the ellipse inside a box, in drawing units."""
    mask = blank()
    ImageDraw.Draw(mask).ellipse(_pixels([(x0, y0), (x1, y1)]), fill=255)
    return mask


def box(x0: float, y0: float, x1: float, y1: float, radius: float = 0) -> Image.Image:
    """Return the rectangle with rounded corners, in drawing units."""
    mask = blank()
    corners = _pixels([(x0, y0), (x1, y1)])
    ImageDraw.Draw(mask).rounded_rectangle(corners, radius * UNIT, fill=255)
    return mask


def _bezier(ends: list[Point], steps: int = 24) -> list[Point]:
    """Return points of a quadratic or cubic Bezier curve, without its first point."""
    t = np.linspace(0, 1, steps + 1)[1:, None]
    rows = [np.array(end, dtype=float)[None, :].repeat(steps, axis=0) for end in ends]
    while len(rows) > 1:  # de Casteljau
        rows = [a * (1 - t) + b * t for a, b in pairwise(rows)]
    return [(float(x), float(y)) for x, y in rows[0]]


def trace(outline: str) -> list[Point]:
    """Return points along an outline, given as absolute M, L, Q and C commands of SVG."""
    points: list[Point] = []
    for command, numbers in re.findall(r"([MLQC])([^MLQC]*)", outline):
        values = [float(number) for number in numbers.split()]
        ends = list(zip(values[::2], values[1::2], strict=True))
        if command in "ML":
            points += ends
            continue
        step = 2 if command == "Q" else 3
        for start in range(0, len(ends), step):
            points += _bezier([points[-1], *ends[start : start + step]])
    return points


def path(outline: str) -> Image.Image:
    """Return the closed outline, filled."""
    mask = blank()
    ImageDraw.Draw(mask).polygon(_pixels(trace(outline)), fill=255)
    return mask


def stroke(outline: str, width: float) -> Image.Image:
    """Return the open outline, drawn with a round pen of ``width`` drawing units."""
    mask = blank()
    draw = ImageDraw.Draw(mask)
    points = _pixels(trace(outline))
    draw.line(points, fill=255, width=round(width * UNIT), joint="curve")
    reach = width * UNIT / 2
    for x, y in (points[0], points[-1]):
        draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=255)
    return mask


def union(*masks: Image.Image) -> Image.Image:
    """Return what any of the masks covers."""
    whole = masks[0]
    for mask in masks[1:]:
        whole = ImageChops.lighter(whole, mask)
    return whole


def both(mask: Image.Image, other: Image.Image) -> Image.Image:
    """Return what both masks cover."""
    return ImageChops.darker(mask, other)


def cut(mask: Image.Image, hole: Image.Image) -> Image.Image:
    """Return the mask without what ``hole`` covers."""
    return ImageChops.subtract(mask, hole)


def pair(mask: Image.Image) -> Image.Image:
    """Return the mask joined with its mirror image about the drawing's middle."""
    return union(mask, ImageOps.mirror(mask))


def _small(mask: Image.Image, soft: float = 0) -> Image.Image:
    small = mask.reduce(SUPER)
    return small.filter(ImageFilter.GaussianBlur(soft * SIZE / 100)) if soft else small


def _plane(image: Image.Image) -> Plane:
    return np.asarray(image, dtype=np.float32) / np.float32(255)


@dataclass(frozen=True)
class Form:
    """A drawn kind, before it has colours.

    ``body`` (takes the pattern), ``main`` (main colour, never a pattern), ``trim`` and
    ``alpha`` are weights uint8 [400, 400]; ``fixed`` uint8 [400, 400, 3] is the
    premultiplied colour of what all products share, such as metal and shade.
    """

    body: npt.NDArray[np.uint8]
    main: npt.NDArray[np.uint8]
    trim: npt.NDArray[np.uint8]
    alpha: npt.NDArray[np.uint8]
    fixed: npt.NDArray[np.uint8]


class Sketch:
    """Layers of paint, from back to front."""

    def __init__(self) -> None:
        """Start with an empty, transparent drawing."""
        self.roles: dict[str, Plane] = {
            role: np.zeros((SIZE, SIZE), np.float32) for role in ("body", "main", "trim")
        }
        self.alpha: Plane = np.zeros((SIZE, SIZE), np.float32)
        self.fixed: Plane = np.zeros((SIZE, SIZE, 3), np.float32)

    def fill(self, mask: Image.Image, paint: Role | RGB) -> None:
        """Paint the mask in a role's colour, or in a fixed colour."""
        cover = _plane(_small(mask))
        self._over(cover, cover, paint)
        self.alpha += cover * (1 - self.alpha)

    def shade(
        self,
        mask: Image.Image,
        strength: float,
        *,
        soft: float = 0,
        within: Image.Image | None = None,
        colour: RGB = SHADOW,
    ) -> None:
        """Tint what is under the mask, with its edge blurred by ``soft`` drawing units."""
        cover = _plane(_small(mask, soft)) * np.float32(strength)
        self.tint(cover if within is None else cover * _plane(_small(within)), colour)

    def tint(self, cover: Plane, colour: RGB) -> None:
        """Blend a colour over what is drawn, but not outside it."""
        self._over(cover, cover * self.alpha, colour)

    def round(self, mask: Image.Image, strength: float = 1.0, soft: float = 4) -> None:
        """Give the mask volume: light at the upper left, shade at the lower right."""
        inside, blurred = _small(mask), _small(mask, soft)
        reach = round(soft * SIZE / 100 * 0.8)
        lower = _plane(ImageChops.offset(blurred, -reach, -reach))
        upper = _plane(ImageChops.offset(blurred, reach, reach))
        self.tint(_plane(inside) * (1 - lower) * np.float32(0.42 * strength), SHADOW)
        self.tint(_plane(inside) * (1 - upper) * np.float32(0.36 * strength), LIGHT)

    def turn(self, mask: Image.Image, strength: float = 1.0) -> None:
        """Shade the mask as an upright cylinder, lit from the left."""
        inside = _plane(_small(mask))
        left, _, right, _ = mask.getbbox() or (0, 0, SUPER, SUPER)
        across = (np.arange(SIZE) * SUPER - left) / (right - left)
        dark = 0.42 * np.clip((across - 0.5) / 0.5, 0, 1) ** 1.6
        dark += 0.2 * np.clip(1 - across / 0.14, 0, 1) ** 1.5
        glow = 0.34 * np.exp(-(((across - 0.24) / 0.085) ** 2))
        self.tint((inside * dark * strength).astype(np.float32), SHADOW)
        self.tint((inside * glow * strength).astype(np.float32), LIGHT)

    def form(self) -> Form:
        """Return the finished drawing."""
        levels = [*self.roles.values(), self.alpha, self.fixed]
        return Form(*((level * 255 + 0.5).astype(np.uint8) for level in levels))

    def _over(self, cover: Plane, weight: Plane, paint: Role | RGB) -> None:
        for role in self.roles.values():
            role *= 1 - cover
        self.fixed *= 1 - cover[..., None]
        if isinstance(paint, str):
            self.roles[paint] += weight
        else:
            self.fixed += weight[..., None] * (np.array(paint, np.float32) / np.float32(255))
