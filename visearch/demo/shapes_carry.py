"""Drawings of bags and the like: backpack, handbag, suitcase, umbrella."""

from __future__ import annotations

from visearch.demo.palette import BRASS, INK, LEATHER, STEEL, WOOD
from visearch.demo.pen import (
    LIGHT,
    Form,
    Sketch,
    both,
    box,
    cut,
    ellipse,
    pair,
    path,
    stroke,
    union,
)


def _stitches(sketch: Sketch, outline: str, within_width: float = 0.45) -> None:
    sketch.shade(stroke(outline, within_width), 0.45, colour=LIGHT)


def backpack() -> Form:
    """A backpack from the front."""
    sketch = Sketch()
    sketch.fill(stroke("M 42 16 C 42 4 58 4 58 16", 3), "trim")
    straps = pair(stroke("M 26 34 C 12 48 14 70 24 82", 4.5))
    sketch.fill(straps, "trim")
    sketch.round(straps, 0.8, soft=1.5)
    body = path(
        "M 21 86 L 21 40 C 21 20 34 12 50 12 C 66 12 79 20 79 40 "
        "L 79 86 Q 79 93 72 93 L 28 93 Q 21 93 21 86"
    )
    sketch.fill(body, "body")
    sketch.round(body, 1.0, soft=5)
    zipper = "M 27 50 L 27 41 C 27 26 37 19 50 19 C 63 19 73 26 73 41 L 73 50"
    sketch.shade(stroke(zipper, 1.3), 0.5)
    sketch.fill(stroke("M 73 50 L 73 55", 1.6), BRASS)
    patch = box(43, 30, 57, 40, 1.5)
    sketch.fill(patch, LEATHER)
    sketch.round(patch, 0.6, soft=1)
    sketch.shade(cut(box(44, 31, 56, 39, 1), box(44.4, 31.4, 55.6, 38.6, 1)), 0.5, colour=LIGHT)
    pocket = box(27, 55, 73, 87, 7)
    sketch.shade(box(27, 57, 74, 90, 7), 0.4, soft=2)
    sketch.fill(pocket, "trim")
    sketch.round(pocket, 0.8, soft=3)
    sketch.shade(stroke("M 31 63 L 69 63", 1.3), 0.5)
    sketch.fill(stroke("M 69 63 L 69 68", 1.6), BRASS)
    return sketch.form()


def handbag() -> Form:
    """A flap handbag with a leather handle."""
    sketch = Sketch()
    handle = stroke("M 31 44 C 30 4 70 4 69 44", 4)
    sketch.fill(handle, LEATHER)
    sketch.round(handle, 1.0, soft=1.5)
    body = path(
        "M 21 38 L 79 38 Q 82 38 83 41 L 91 83 Q 92 91 85 91 "
        "L 15 91 Q 8 91 9 83 L 17 41 Q 18 38 21 38"
    )
    sketch.fill(body, "body")
    sketch.round(body, 1.0, soft=4)
    flap = path(
        "M 21 38 L 79 38 Q 82 38 83 41 L 85 53 Q 70 66 50 67 Q 30 66 15 53 L 17 41 Q 18 38 21 38"
    )
    sketch.shade(
        path("M 14 54 Q 30 69 50 70 Q 70 69 86 54 L 86 50 L 14 50"), 0.5, soft=1.6, within=body
    )
    sketch.fill(flap, "main")
    sketch.round(flap, 0.8, soft=2.5)
    _stitches(sketch, "M 16.5 52 Q 31 64 50 65 Q 69 64 83.5 52")
    rings = union(cut(ellipse(26.5, 40, 35.5, 49), ellipse(28.6, 42.1, 33.4, 46.9)))
    sketch.fill(pair(rings), BRASS)
    clasp = box(44, 59, 56, 72, 2.5)
    sketch.shade(box(44.5, 60.5, 57, 74, 2.5), 0.4, soft=1)
    sketch.fill(clasp, BRASS)
    sketch.round(clasp, 1.0, soft=1.2)
    sketch.shade(ellipse(48.4, 63.5, 51.6, 66.7), 0.55)
    return sketch.form()


def suitcase() -> Form:
    """A cabin suitcase with its handle pulled out."""
    sketch = Sketch()
    rods = pair(box(37, 8, 39.4, 30))
    sketch.fill(rods, STEEL)
    sketch.fill(box(35, 4, 65, 9.5, 2.5), INK)
    wheels = pair(ellipse(26, 86, 34, 95))
    sketch.fill(wheels, INK)
    sketch.shade(pair(ellipse(28.5, 89, 31.5, 92)), 0.5, colour=LIGHT)
    body = box(20, 24, 80, 90, 8)
    sketch.fill(body, "body")
    for x in (28, 37, 46, 55, 64, 73):
        sketch.shade(box(x - 1, 28, x + 0.3, 86, 0.6), 0.3, within=body)
        sketch.shade(box(x + 0.3, 28, x + 1.3, 86, 0.5), 0.3, within=body, colour=LIGHT)
    sketch.round(body, 1.0, soft=5)
    corners = both(pair(union(ellipse(12, 16, 31, 35), ellipse(12, 79, 31, 98))), body)
    sketch.fill(corners, "trim")
    sketch.round(corners, 0.6, soft=2)
    grip = cut(box(40, 20.5, 60, 29, 2.5), box(43, 23, 57, 26.5, 1.2))
    sketch.fill(grip, INK)
    lock = box(45, 52, 55, 62, 2)
    sketch.fill(lock, STEEL)
    sketch.round(lock, 1.0, soft=1)
    sketch.shade(box(47, 55, 53, 56.4, 0.6), 0.6)
    return sketch.form()


def umbrella() -> Form:
    """An open umbrella with a hooked wooden handle."""
    sketch = Sketch()
    sketch.fill(stroke("M 50 7 L 50 14", 1.6), WOOD)
    sketch.fill(box(49, 44, 51, 80), STEEL)
    hook = stroke("M 50 74 L 50 86 C 50 97 37 97 37 87", 3.6)
    sketch.fill(hook, WOOD)
    sketch.round(hook, 0.9, soft=1.2)
    under = path("M 5 56 Q 50 40 95 56 Q 50 50 5 56")
    sketch.fill(under, "trim")
    sketch.shade(under, 0.4)
    canopy = path(
        "M 4 57 C 6 26 28 11 50 11 C 72 11 94 26 96 57 Q 89 49 80 51 Q 73 52 69 57 "
        "Q 60 49.5 50 49.5 Q 40 49.5 31 57 Q 27 52 20 51 Q 11 49 4 57"
    )
    sketch.fill(canopy, "body")
    panels = pair(path("M 50 11 C 36 20 30 38 31 58 Q 27 52 20 50 Q 11 48 3 58 C 6 26 28 10 50 11"))
    sketch.shade(both(panels, path("M 50 0 L 100 0 L 100 80 L 50 80")), 0.2, within=canopy)
    sketch.shade(
        path("M 50 11 C 36 20 30 38 31 58 L 0 58 L 0 0 L 50 0"), 0.14, within=canopy, colour=LIGHT
    )
    sketch.shade(pair(stroke("M 50 11 C 36 20 30 38 31 58", 0.6)), 0.4, within=canopy)
    sketch.round(canopy, 0.8, soft=5)
    return sketch.form()
