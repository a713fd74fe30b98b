"""Writes HTML and SVG with ElementTree, which escapes all text."""

from __future__ import annotations

from xml.etree import ElementTree as ET

Node = ET.Element | str


def tag(kind: str, *children: Node, **attributes: str | float) -> ET.Element:
    """Make an element; write ``class_`` for the attribute ``class`` and ``x_y`` for ``x-y``."""
    element = ET.Element(kind, {_name(key): _text(value) for key, value in attributes.items()})
    last: ET.Element | None = None
    for child in children:
        if isinstance(child, ET.Element):
            element.append(child)
            last = child
        elif last is None:
            element.text = (element.text or "") + child
        else:
            last.tail = (last.tail or "") + child
    return element


def document(root: ET.Element) -> str:
    """Return an ``html`` element as an HTML5 document."""
    return "<!doctype html>\n" + ET.tostring(root, encoding="unicode", method="html") + "\n"


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
