"""Drawings of things to wear: T-shirt, cap, sneaker, watch, sunglasses."""

from __future__ import annotations

import math

from visearch.demo.palette import INK, STEEL, WHITE
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


def t_shirt() -> Form:
    """A T-shirt laid flat."""
    sketch = Sketch()
    inside = path("M 36 11.5 Q 50 9 64 11.5 Q 60 25 50 25 Q 40 25 36 11.5")
    sketch.fill(inside, "trim")
    sketch.shade(inside, 0.35)
    half = (
        "M 50 23 Q 40 23 36 11 L 26 15 Q 19 18 16 25 L 5 45 Q 4 47 6 48 L 18 54.5 "
        "Q 20 55.5 21 53.5 L 27 43 Q 28 60 26 88 Q 26 91 29 91 Q 40 92.5 50 92.5"
    )
    shirt = pair(union(path(half), box(49, 23, 50.2, 92.5)))
    sketch.fill(shirt, "body")
    sketch.round(shirt, 0.75, soft=4)
    sleeve = pair(stroke("M 27 44 Q 25.5 34 29 26", 0.9))
    sketch.shade(sleeve, 0.4, soft=0.5, within=shirt)
    for fold in ("M 34 88 Q 40 70 36 54", "M 66 90 Q 60 78 63 60", "M 46 90 Q 48 82 45 74"):
        sketch.shade(stroke(fold, 2.4), 0.2, soft=1.8, within=shirt)
    sketch.fill(
        both(stroke("M 36 10.5 Q 40 23 50 23 Q 60 23 64 10.5", 3.8), union(shirt, inside)), "trim"
    )
    hem = union(
        stroke("M 24 87.5 Q 50 90.5 76 87.5", 0.5), pair(stroke("M 7.4 43.4 L 22 51.6", 0.5))
    )
    sketch.shade(hem, 0.45, within=shirt)
    return sketch.form()


def cap() -> Form:
    """A baseball cap from the side, with its peak to the right."""
    sketch = Sketch()
    dome = path("M 8 67 C 4 36 24 20 44 20 C 66 20 78 36 80 60 Q 64 71 46 71 Q 26 71 8 67")
    button = ellipse(40, 17, 49, 22.5)
    sketch.fill(button, "trim")
    sketch.fill(dome, "body")
    sketch.round(dome, 1.1, soft=6)
    seams = union(
        stroke("M 44.5 20 Q 62 38 61 69", 0.7),
        stroke("M 44.5 20 Q 24 36 25 71", 0.7),
    )
    sketch.shade(seams, 0.4, within=dome)
    for x, y in ((50, 36), (31, 38)):
        sketch.fill(ellipse(x - 1.3, y - 1.3, x + 1.3, y + 1.3), "trim")
    band = path("M 7 60 Q 26 65 46 65 Q 64 65 80 54 L 80 74 L 7 74")
    sketch.shade(band, 0.3, within=dome)
    peak = path(
        "M 45 70 Q 64 70 79.5 57 C 88 58 96 64 98 72 Q 98.5 76 95 75 "
        "C 82 70 64 76 50 78 Q 43 77 45 70"
    )
    sketch.shade(path("M 42 68 Q 64 67 80 53 L 80 72 L 46 74"), 0.45, soft=1.5, within=dome)
    sketch.fill(peak, "trim")
    sketch.round(peak, 1.0, soft=2.5)
    for low in (0, 3):
        stitch = f"M {50 + low} {73.5 + low / 3} Q 70 {72 + low / 2} 82 {61.5 + low}"
        sketch.shade(stroke(stitch, 0.4), 0.4, within=peak, colour=LIGHT)
    return sketch.form()


def _sole(sketch: Sketch) -> None:
    sole = path(
        "M 7 66 Q 5 78 9 80 Q 12 82 24 81 L 86 82 Q 97 82 96 72 Q 95 67 90 68 L 60 72 L 24 70"
    )
    sketch.fill(sole, WHITE)
    sketch.round(sole, 0.8, soft=2)
    sketch.shade(stroke("M 8 76 Q 40 78 95.5 77", 0.8), 0.35, within=sole)


def sneaker() -> Form:
    """A low sneaker from the side, with its toe to the right."""
    sketch = Sketch()
    tongue = path("M 34 38 Q 38 24 46 27 Q 50 30 56 42 L 40 48")
    sketch.fill(tongue, "trim")
    sketch.round(tongue, 0.8, soft=2)
    lining = path("M 13 36 Q 16 27 22 32 Q 30 38 40 36 L 42 46 L 14 46")
    sketch.fill(lining, "trim")
    sketch.shade(lining, 0.4)
    _sole(sketch)
    upper = path(
        "M 8 70 C 10 58 8 46 11 34 Q 13 29 16 33 C 20 43 32 44 40 36 Q 43 34 46 37 "
        "L 62 50 C 74 56 92 55 94 69 Q 94 72 88 72 Q 50 76 8 71"
    )
    sketch.fill(upper, "body")
    sketch.round(upper, 1.0, soft=4)
    heel = both(path("M 5 50 Q 18 50 22 76 L 4 76"), upper)
    sketch.fill(heel, "trim")
    sketch.round(heel, 0.6, soft=2)
    toe = both(path("M 98 50 L 76 55 Q 72 64 76 76 L 98 76"), upper)
    sketch.fill(toe, WHITE)
    sketch.round(toe, 0.9, soft=2.5)
    eyestay = both(path("M 38 37 L 46 34 L 66 50 L 58 58 Q 52 58 46 50"), upper)
    sketch.fill(eyestay, "main")
    sketch.shade(eyestay, 0.18)
    for step in range(4):
        x, y = 43 + step * 5.2, 38.5 + step * 4.2
        lace = stroke(f"M {x - 2.5} {y + 5.5} L {x + 3.6} {y - 2.6}", 1.9)
        sketch.shade(stroke(f"M {x - 2} {y + 6.6} L {x + 4.2} {y - 1.6}", 1.9), 0.3, soft=0.4)
        sketch.fill(lace, WHITE)
    sketch.shade(stroke("M 24 71 Q 30 56 44 52", 0.6), 0.35, within=upper)
    return sketch.form()


def _dial(sketch: Sketch) -> None:
    sketch.fill(ellipse(30, 30, 70, 70), WHITE)
    sketch.shade(cut(ellipse(30, 30, 70, 70), ellipse(31, 32, 71, 72)), 0.35, soft=0.6)
    for hour in range(12):
        x, y = math.sin(hour * math.pi / 6), -math.cos(hour * math.pi / 6)
        start = 14 if hour % 3 == 0 else 15.6
        tick = f"M {50 + x * start} {50 + y * start} L {50 + x * 17.5} {50 + y * 17.5}"
        sketch.fill(stroke(tick, 1.5 if hour % 3 == 0 else 0.8), INK)
    sketch.fill(stroke("M 50 50 L 42 44.5", 1.7), INK)
    sketch.fill(stroke("M 50 50 L 60 39", 1.2), INK)
    sketch.fill(stroke("M 48 46 L 53.5 62", 0.6), "main")
    sketch.fill(ellipse(48.4, 48.4, 51.6, 51.6), "main")


def watch() -> Form:
    """A wrist watch from the front, with its strap open."""
    sketch = Sketch()
    strap = union(
        path("M 37 34 L 39.5 6 Q 40 3 43 3 L 57 3 Q 60 3 60.5 6 L 63 34"),
        path("M 37 66 L 39.5 93 Q 41 97 50 97 Q 59 97 60.5 93 L 63 66"),
    )
    sketch.fill(strap, "body")
    sketch.round(strap, 0.9, soft=2.5)
    for y in (80, 85, 90):
        sketch.shade(ellipse(49.2, y - 0.8, 50.8, y + 0.8), 0.6)
    buckle = cut(box(37, 1.5, 63, 9, 2), box(41, 4, 59, 7.5, 1))
    sketch.fill(buckle, STEEL)
    sketch.round(buckle, 0.9, soft=1)
    sketch.shade(union(box(37, 22, 63, 30), box(37, 70, 63, 76)), 0.35, soft=2.5, within=strap)
    crown = box(74, 46.5, 79, 53.5, 1)
    sketch.fill(crown, STEEL)
    sketch.round(crown, 1.2, soft=1)
    case = ellipse(24.5, 24.5, 75.5, 75.5)
    sketch.fill(case, STEEL)
    sketch.round(case, 1.1, soft=3)
    sketch.fill(ellipse(28, 28, 72, 72), "trim")
    _dial(sketch)
    glare = path("M 30 28 L 48 28 L 28 52 L 26 44")
    sketch.shade(glare, 0.35, within=ellipse(30, 30, 70, 70), colour=(206, 222, 240))
    return sketch.form()


def sunglasses() -> Form:
    """Sunglasses from the front."""
    sketch = Sketch()
    temples = pair(path("M 4 38 L 10 36 L 16 46 L 12 50"))
    sketch.fill(temples, "trim")
    frame = pair(
        path(
            "M 3 36 Q 3 33 7 33.5 L 36 34.5 Q 45 35.5 50 39 L 50 45 Q 47 45 46 49 "
            "C 45 62 38 69 28 69 C 16 69 9 62 8 50 Q 7.5 44 3 41"
        )
    )
    sketch.fill(frame, "body")
    sketch.round(frame, 0.9, soft=1.8)
    lens = pair(
        path(
            "M 13.5 46 Q 13 39.5 19 39.5 L 34 40 Q 41.5 40.5 41 48 "
            "C 40 58 36 63.5 28 63.5 C 19 63.5 14.5 58 13.5 46"
        )
    )
    sketch.fill(lens, (54, 54, 70))
    sketch.shade(box(0, 52, 100, 80), 0.45, soft=6, within=lens, colour=(140, 122, 132))
    for x in (0, 46):
        glare = path(f"M {22 + x} 36 L {29 + x} 36 L {17 + x} 66 L {10 + x} 66")
        sketch.shade(glare, 0.16, within=lens, colour=LIGHT)
        slim = path(f"M {31.5 + x} 36 L {33.5 + x} 36 L {21.5 + x} 66 L {19.5 + x} 66")
        sketch.shade(slim, 0.16, within=lens, colour=LIGHT)
    sketch.fill(pair(ellipse(6, 36.4, 8.4, 38.8)), STEEL)
    return sketch.form()
