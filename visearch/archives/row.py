"""One row of a manifest, in whichever format it was written."""

from __future__ import annotations

from typing import NamedTuple

from visearch.records import Attributes
from visearch.rules import attributes_problem, text_problem

SEPARATOR = "|"
MOST_IMAGES = 1000


class Row(NamedTuple):
    """One product, or more pictures of a product that an earlier row describes.

    Of several rows for one product, the first that gives a title, URL or attribute counts.
    ``problem`` says why the row cannot be used; it goes into a sentence, so it starts in
    lower case and has no full stop.
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
    """Make a row of its id, its image cells and its ``(title, url)``.

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
    elif len(paths) > MOST_IMAGES:
        problem = f"the row names {len(paths):,} images, more than the limit of {MOST_IMAGES}"
        paths = ()
    else:
        problem = text_problem(*texts) or attributes_problem(attributes)
    return Row(line, product_id, paths, texts[0] or None, texts[1] or None, attributes, problem)


def bad_row(line: int, problem: str, product_id: str = "") -> Row:
    """Make the row that represents one that cannot be used."""
    return Row(line, product_id, (), None, None, {}, problem)
