"""The prints: where a product's body shows its second colour."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from visearch.demo.pen import SIZE, Plane, clamp

PATTERNS = {
    "plain": "",
    "stripes": "striped",
    "dots": "dotted",
    "checks": "checked",
    "two-tone": "two-tone",
}
"""Each pattern and the adjective that names it in a title."""


def _edge(distance: Plane) -> Plane:
    """Return the coverage of a pixel whose centre is ``distance`` units inside an edge."""
    return clamp(distance * np.float32(SIZE / 100) + np.float32(0.5))


def _bands(along: Plane, period: float) -> Plane:
    """Return bands: 1 in one half of each period, 0 in the other."""
    return _edge(np.abs(along % period - period / 2) - np.float32(period / 4))


def _dots(u: Plane, v: Plane, period: float) -> Plane:
    row = np.floor(v / (period / 2))
    across = (u + (row % 2) * (period / 2)) % period - period / 2
    down = v % (period / 2) - period / 4
    return _edge(np.float32(period * 0.19) - np.hypot(across, down))


def _frame(sag: float, angle: float) -> tuple[Plane, Plane]:
    """Return the print's coordinates on the product, in drawing units from its middle."""
    axis = (np.arange(SIZE, dtype=np.float32) + 0.5) * np.float32(100 / SIZE) - 50
    x, y = np.meshgrid(axis, axis)
    y = y + np.float32(sag) * (x / 50) ** 2
    cos, sin = np.float32(np.cos(np.radians(angle))), np.float32(np.sin(np.radians(angle)))
    return x * cos + y * sin, y * cos - x * sin


def cover(
    pattern: str, *, period: float = 11, sag: float = 0, angle: float = 0, split: float = 60
) -> Plane:
    """Return the share of the second colour in each pixel: float32 [400, 400], 0 to 1.

    ``period`` is the print's repeat in drawing units; ``sag`` bends it upwards at the
    sides, as on a cylinder seen from above; ``angle`` turns it, in degrees; ``split``
    is the height at which a two-tone product changes colour.

    Raises:
        KeyError: there is no such pattern.
    """
    u, v = _frame(sag, 0 if pattern == "two-tone" else angle)
    prints: dict[str, Callable[[], Plane]] = {
        "plain": lambda: np.zeros_like(u),
        "stripes": lambda: _bands(v, period),
        "dots": lambda: _dots(u, v, period),
        "checks": lambda: (_bands(u, period) + _bands(v, period)) * np.float32(0.5),
        "two-tone": lambda: _edge(v + 50 - np.float32(split)),
    }
    return prints[pattern]()
