"""Makes the rows of a manifest of its cells."""

from __future__ import annotations

from visearch.records import Attributes
from visearch.rules import attributes_problem, text_problem
from visearch.tables.row import Row

__all__ = ["MOST_IMAGES", "SEPARATOR", "Row", "bad_row", "make_row"]

SEPARATOR = "|"
MOST_IMAGES = 1000


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
