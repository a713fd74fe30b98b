"""Scenes: a sprite in front of a backdrop, in a given pose and light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from visearch.demo.pen import LIGHT, RGB, SHADOW, SIZE, Plane, clamp

FRAME = 320
"""Side of a finished picture, in pixels."""
HORIZON = 0.7
_THUMB = FRAME // 4  # shadows are soft, so a quarter of the size is enough

Backdrop = Literal["studio", "wall", "window"]


@dataclass(frozen=True)
class Pose:
    """Where the product stands in the frame.

    ``turn`` is in degrees; at ``scale`` 1 the drawing's 100 units fill the frame; ``shift``
    is in pixels of the frame; ``tilt`` is how far the product leans back (0 to about 0.2);
    ``mirror`` swaps left and right.
    """

    turn: float = 0.0
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    tilt: float = 0.0
    mirror: bool = False


def place(sprite: Image.Image, pose: Pose) -> Image.Image:
    """Return the sprite (``RGBa``, 400 px) in its pose: ``RGBa``, 320 px."""
    angle, size = np.radians(pose.turn), pose.scale * FRAME / SIZE
    cos, sin = np.cos(angle) * size, np.sin(angle) * size
    flip = -1.0 if pose.mirror else 1.0
    centre = np.array([[1, 0, -SIZE / 2], [0, 1, -SIZE / 2], [0, 0, 1]])
    spin = np.array([[cos * flip, -sin, 0], [sin * flip, cos, 0], [0, 0, 1]])
    lean = np.array([[1, 0, 0], [0, 1, 0], [0, -pose.tilt / FRAME, 1]])
    x, y = pose.shift
    frame = np.array([[1, 0, FRAME / 2 + x], [0, 1, FRAME / 2 + y], [0, 0, 1]])
    back = np.linalg.inv(frame @ lean @ spin @ centre)
    numbers = [float(number) for number in (back / back[2, 2]).ravel()[:8]]
    return sprite.transform(
        (FRAME, FRAME), Image.Transform.PERSPECTIVE, numbers, Image.Resampling.BILINEAR
    )


def _grid() -> tuple[Plane, Plane]:
    axis = (np.arange(FRAME, dtype=np.float32) + 0.5) / FRAME
    x, y = np.meshgrid(axis.astype(np.float32), axis.astype(np.float32))
    return x, y


def _unit(colour: RGB) -> Plane:
    return np.array(colour, np.float32) / np.float32(255)


def _mix(picture: Plane, share: Plane, colour: RGB) -> Plane:
    return picture + (_unit(colour) - picture) * share[..., None]


def _sheet(tint: RGB) -> Plane:
    return np.broadcast_to(_unit(tint), (FRAME, FRAME, 3)).copy()


def _studio() -> Plane:
    x, y = _grid()
    edge = clamp(np.hypot(x - 0.45, y - 0.4) - 0.3)
    return _mix(_sheet((251, 250, 248)), edge * 0.3, (226, 218, 212))


def _floor(picture: Plane, share: float, tint: RGB) -> Plane:
    """Draw the floor in a deeper shade of the wall's colour; grey would look muddy."""
    _, y = _grid()
    below = clamp((y - HORIZON) * FRAME)
    deep = _unit(tint) ** np.float32(1 + share * 2)
    share_seen: Plane = (below * np.float32(0.85))[..., None]
    return picture + (deep - picture) * share_seen


def _wall(tint: RGB, stands: bool) -> Plane:
    x, y = _grid()
    disc = clamp((0.36 - np.hypot(x - 0.5, y - 0.46)) * FRAME)
    picture = _mix(_sheet(tint), disc * 0.42, LIGHT)
    if stands:
        picture = _floor(picture, 0.5, tint)
    return _mix(picture, clamp(x * 0.6 + y * 0.7 - 0.5) * np.float32(0.08), SHADOW)


def _window(tint: RGB, stands: bool) -> Plane:
    x, y = _grid()
    picture = _mix(_sheet(tint), 0.03 + 0.08 * y, SHADOW)
    along = x + 0.45 * y
    panes = sum(
        clamp((half - np.abs(along - middle)) * 40)
        for middle, half in ((0.34, 0.11), (0.6, 0.11), (1.06, 0.1))
    )
    picture = _floor(picture, 0.9, tint) if stands else picture
    return _mix(picture, np.asarray(panes, np.float32) * np.float32(0.34), LIGHT)


def backdrop(style: Backdrop, tint: RGB, stands: bool) -> Plane:
    """Return an empty scene: float32 [320, 320, 3], 0 to 1."""
    if style == "studio":
        return _studio()
    return _wall(tint, stands) if style == "wall" else _window(tint, stands)


def _contact(alpha: Image.Image) -> Image.Image:
    """Return the shadow on the floor, under the lowest part of a standing product."""
    _, top, _, bottom = alpha.getbbox() or (0, 0, FRAME, FRAME)
    foot = alpha.crop((0, bottom - (bottom - top) // 12, FRAME, bottom))
    left, _, right, _ = foot.getbbox() or (0, 0, FRAME, 1)
    deep = 5 + (right - left) * 0.04
    box = (left - 4, bottom - deep - 3, right + 18, bottom + deep - 4)
    shadow = Image.new("L", (_THUMB, _THUMB))
    ImageDraw.Draw(shadow).ellipse([side / 4 for side in box], fill=200)
    return shadow.filter(ImageFilter.GaussianBlur(1.4))


def _drop(alpha: Image.Image) -> Image.Image:
    """Return the shadow of a product that lies flat or hangs close to the wall."""
    shadow = Image.new("L", (_THUMB, _THUMB))
    shadow.paste(alpha.reduce(4).point(lambda level: level * 0.5), (2, 3))
    return shadow.filter(ImageFilter.GaussianBlur(2.2))


def shoot(sprite: Image.Image, pose: Pose, empty: Plane, stands: bool, light: float) -> Plane:
    """Return the sprite in its pose in front of a backdrop, with its shadow.

    ``sprite`` is the 400 px ``RGBa`` drawing, ``empty`` a ``backdrop``, ``light`` the
    exposure (1: as drawn). The result is float32 [320, 320, 3], 0 to 1.
    """
    placed = place(sprite, pose)
    pixels = np.asarray(placed, dtype=np.float32) / np.float32(255)
    alpha = placed.getchannel("a")
    thumb = _contact(alpha) if stands else _drop(alpha)
    full = thumb.resize((FRAME, FRAME), Image.Resampling.BICUBIC)
    shadow = np.asarray(full, dtype=np.float32) / np.float32(255)
    scene = _mix(empty, shadow * np.float32(0.5), SHADOW)
    scene *= 1 - pixels[..., 3:]
    scene += pixels[..., :3]
    return clamp(scene * np.float32(light))


def picture(pixels: Plane) -> Image.Image:
    """Return a scene, float32 0 to 1, as an ``RGB`` picture of the same size."""
    return Image.fromarray((pixels * 255 + 0.5).astype(np.uint8), "RGB")
