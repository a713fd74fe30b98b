"""One row of a manifest, whichever format it was written in."""

from __future__ import annotations

from typing import NamedTuple

from visearch.records import Attributes
from visearch.rules import attributes_problem, text_problem

SEPARATOR = "|"


class Row(NamedTuple):
    """One product, or further pictures of one; then the first row that says a thing decides.

    ``problem`` says why the row cannot be used.
    """

    line: int
    id: str
    images: tuple[str, ...]
    title: str | None
    url: str | None
    attributes: Attributes
    problem: str | None = None


def make_row(
    line: int,
    product_id: str,
    images: list[str],
    texts: tuple[str | None, str | None],
    attributes: Attributes,
) -> Row:
    """Build a row from its id, its image cells and its ``(title, url)``.

    A row without an id or a picture, or with texts or attributes that a product cannot have,
    gets a ``problem``.
    """
    named = [path.strip() for cell in images for path in cell.split(SEPARATOR)]
    paths = tuple(path for path in named if path)
    problem = None
    if not product_id:
        problem = "the row has no id"
    elif not paths:
        problem = "the row names no image"
    else:
        problem = text_problem(*texts) or attributes_problem(attributes)
    return Row(line, product_id, paths, texts[0] or None, texts[1] or None, attributes, problem)


def bad_row(line: int, problem: str, product_id: str = "") -> Row:
    """Build the row that stands for one that cannot be used."""
    return Row(line, product_id, (), None, None, {}, problem)
