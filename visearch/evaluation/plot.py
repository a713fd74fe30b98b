"""A small line chart in SVG: a share 0..1 at graded steps, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from visearch.evaluation.markup import tag
from visearch.evaluation.summary import Estimate

_WIDTH, _HEIGHT = 300, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 36, 12, 12, 40


@dataclass(frozen=True)
class Line:
    """One line: an estimate for each step. ``number``, 0 or 1, selects colour and marker."""

    name: str
    number: int
    values: Sequence[Estimate]


def line_chart(title: str, axis: str, steps: Sequence[str], lines: Sequence[Line]) -> ET.Element:
    """Draw ``lines`` over evenly spaced ``steps``; the vertical axis runs from 0 to 1.

    Lines differ in colour and marker. Every point has a tooltip with its figures.
    """
    return tag(
        "svg",
        tag("title", title),
        *_grid(),
        *(_label(_x(i, len(steps)), _HEIGHT - 24, step) for i, step in enumerate(steps)),
        _label(_LEFT + (_WIDTH - _LEFT - _RIGHT) / 2, _HEIGHT - 6, axis),
        *(tag("g", *_line(line, steps), class_=f"line-{line.number}") for line in lines),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        xmlns="http://www.w3.org/2000/svg",
    )


def _grid() -> list[ET.Element]:
    marks = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(share)
        marks.append(tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid"))
        marks.append(_label(_LEFT - 6, y + 3, f"{share:g}", "end"))
    return marks


def _line(line: Line, steps: Sequence[str]) -> list[ET.Element]:
    xs = [_x(i, len(steps)) for i in range(len(steps))]
    path = " ".join(f"{x:.1f},{_y(e.value):.1f}" for x, e in zip(xs, line.values, strict=True))
    points = [
        _point(line, x, step, estimate)
        for x, step, estimate in zip(xs, steps, line.values, strict=True)
    ]
    return [tag("polyline", points=path), *points]


def _point(line: Line, x: float, step: str, estimate: Estimate) -> ET.Element:
    y = _y(estimate.value)
    square = tag("rect", x=x - 3, y=y - 3, width=6, height=6)
    marker = square if line.number else tag("circle", cx=x, cy=y, r=3.2)
    text = f"{line.name}, {step}: {estimate.value:.3f}"
    if estimate.low is None or estimate.high is None:
        return tag("g", tag("title", text), marker)
    text += f" ({estimate.low:.3f} to {estimate.high:.3f})"
    bar = tag("line", x1=x, x2=x, y1=_y(estimate.low), y2=_y(estimate.high))
    return tag("g", tag("title", text), bar, marker)


def _label(x: float, y: float, text: str, anchor: str = "middle") -> ET.Element:
    return tag("text", text, x=x, y=y, text_anchor=anchor)


def _x(step: int, steps: int) -> float:
    inset = 14
    width = _WIDTH - _LEFT - _RIGHT - 2 * inset
    return _LEFT + inset + width * step / max(1, steps - 1)


def _y(share: float) -> float:
    return _TOP + (1 - share) * (_HEIGHT - _TOP - _BOTTOM)
