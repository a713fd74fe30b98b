"""Drawings of things for the home: mug, vase, lamp, armchair, bottle."""

from __future__ import annotations

from visearch.demo.palette import BRASS, INK, LEAF, STEEL, WHITE, WOOD
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


def mug() -> Form:
    """A mug of coffee with its handle to the right."""
    sketch = Sketch()
    handle = stroke("M 66 40 C 92 34 92 74 64 70", 6.5)
    sketch.fill(handle, "main")
    sketch.round(handle, 0.9, soft=2)
    body = path("M 18 28 L 20 78 Q 21 88 43 88 Q 65 88 66 78 L 68 28 Q 43 36 18 28")
    body = union(body, ellipse(18, 22, 68, 34))
    sketch.fill(body, "body")
    sketch.turn(body)
    sketch.fill(ellipse(18, 21.5, 68, 34), "main")
    sketch.shade(ellipse(18, 21.5, 68, 34), 0.35, colour=LIGHT)
    inside = ellipse(20.2, 23, 65.8, 32.6)
    sketch.fill(inside, WHITE)
    sketch.shade(path("M 18 20 L 44 20 Q 36 30 44 36 L 18 36"), 0.3, soft=3, within=inside)
    sketch.fill(both(ellipse(22, 26.4, 64, 36), inside), (112, 70, 48))
    sketch.fill(both(ellipse(24, 27.6, 62, 36), inside), (134, 86, 58))
    return sketch.form()


def _stem(sketch: Sketch, outline: str, leaves: list[tuple[float, float, float]]) -> None:
    sketch.fill(stroke(outline, 0.9), LEAF)
    for x, y, lean in leaves:
        tip = f"{x + lean} {y - 7}"
        leaf = path(f"M {x} {y} Q {x + lean * 0.1} {y - 6} {tip} Q {x + lean} {y - 1} {x} {y}")
        sketch.fill(leaf, LEAF)
        sketch.shade(leaf, 0.22, colour=LIGHT if lean < 0 else INK)


def vase() -> Form:
    """A round vase with three leafy stems."""
    sketch = Sketch()
    _stem(
        sketch, "M 48 50 Q 44 30 32 14", [(45, 36, -10), (41, 27, -10), (44, 33, 6), (36, 20, -6)]
    )
    _stem(sketch, "M 52 50 Q 57 30 68 18", [(55, 38, 10), (59, 30, 10), (56, 34, -6), (65, 22, 8)])
    _stem(sketch, "M 50 50 L 50 10", [(50, 34, 9), (50, 26, -9), (50, 20, 9), (50, 13, -6)])
    body = path(
        "M 41 41 C 43 49 41 51 36 55 C 22 64 24 82 38 91 Q 50 93 62 91 "
        "C 76 82 78 64 64 55 C 59 51 57 49 59 41"
    )
    sketch.fill(body, "body")
    sketch.turn(body)
    sketch.shade(path("M 20 80 Q 50 92 80 80 L 80 96 L 20 96"), 0.22, soft=3, within=body)
    sketch.fill(ellipse(40, 38.8, 60, 43.6), "trim")
    sketch.shade(ellipse(42, 39.8, 58, 43), 0.5)
    return sketch.form()


def lamp() -> Form:
    """A table lamp with a ceramic foot and a fabric shade."""
    sketch = Sketch()
    foot = path("M 46 54 L 46 60 C 32 66 34 82 44 88 L 56 88 C 66 82 68 66 54 60 L 54 54")
    sketch.fill(box(48, 46, 52, 60), BRASS)
    sketch.fill(foot, "trim")
    sketch.turn(foot)
    plinth = box(38, 87, 62, 92, 1.5)
    sketch.fill(plinth, BRASS)
    sketch.turn(plinth)
    sketch.fill(box(45, 55, 55, 58.5, 1), BRASS)
    sketch.fill(box(48.9, 8, 51.1, 16, 1), BRASS)
    shade = path("M 34 14 Q 50 10.5 66 14 L 80 49 Q 50 57 20 49")
    sketch.fill(shade, "body")
    sketch.turn(shade, 0.7)
    sketch.shade(ellipse(30, 34, 70, 62), 0.5, soft=8, within=shade, colour=(255, 238, 190))
    sketch.shade(stroke("M 20 48.6 Q 50 56.6 80 48.6", 1.6), 0.3, within=shade)
    sketch.shade(stroke("M 34 14.4 Q 50 11 66 14.4", 1.6), 0.3, within=shade)
    return sketch.form()


def armchair() -> Form:
    """An armchair from the front, on wooden legs."""
    sketch = Sketch()
    legs = pair(path("M 20 80 L 28 80 L 23.5 94 L 20.5 94"))
    sketch.fill(legs, WOOD)
    sketch.shade(pair(path("M 18 80 L 30 80 L 29 84 L 19 84")), 0.5, soft=1, within=legs)
    back = path("M 22 72 L 22 34 C 22 16 36 12 50 12 C 64 12 78 16 78 34 L 78 72")
    sketch.fill(back, "body")
    sketch.round(back)
    base = box(20, 66, 80, 83, 3)
    sketch.fill(base, "trim")
    sketch.round(base, 0.7)
    seat = box(25, 56, 75, 71, 5)
    sketch.shade(box(26, 52, 74, 60, 4), 0.45, soft=2.5, within=back)
    sketch.fill(seat, "body")
    sketch.round(seat, 1.0, soft=3)
    arms = pair(path("M 10 52 C 10 42 28 42 28 52 L 28 81 Q 28 84 25 84 L 14 84 Q 11 84 11 81"))
    sketch.shade(pair(box(26, 50, 31, 84, 2)), 0.4, soft=2)
    sketch.fill(arms, "main")
    sketch.round(arms, 1.0, soft=3)
    return sketch.form()


def bottle() -> Form:
    """An insulated drinking bottle with a carrying loop."""
    sketch = Sketch()
    loop = cut(box(41, 5, 59, 20, 6), box(44.5, 8.5, 55.5, 20, 3.5))
    sketch.fill(loop, INK)
    neck = box(40, 24, 60, 33, 1)
    sketch.fill(neck, STEEL)
    sketch.turn(neck, 1.2)
    cap = box(38.5, 15, 61.5, 26, 2.5)
    sketch.fill(cap, INK)
    sketch.turn(cap)
    body = path(
        "M 40 30 L 60 30 C 62 36 70 38 70 47 L 70 87 Q 70 92 65 92.5 Q 50 94.5 35 92.5 "
        "Q 30 92 30 87 L 30 47 C 30 38 38 36 40 30"
    )
    sketch.fill(body, "body")
    sketch.turn(body, 1.15)
    sketch.fill(both(path("M 28 86 Q 50 90 72 86 L 72 96 L 28 96"), body), STEEL)
    sketch.turn(both(path("M 28 86 Q 50 90 72 86 L 72 96 L 28 96"), body), 1.2)
    sketch.shade(stroke("M 40 30.4 L 60 30.4", 0.9), 0.35, within=body)
    return sketch.form()
