"""One product as a table describes it, in whichever format it was written."""

from __future__ import annotations

from typing import NamedTuple

from visearch.records import Attributes
from visearch.rules import id_problem

INVALID = "invalid_manifest_row"
"""The code of a row whose problem has none of its own."""


class Row(NamedTuple):
    """One product, or more pictures of a product that an earlier row describes.

    Of several rows for one product, the first that gives a title, URL, description or attribute
    counts. ``lines`` names the line of each picture where a product has several records.
    ``description`` is text to search in, not to filter by. ``problem`` says why the row cannot be
    used; it goes into a sentence, so it starts in lower case and has no full stop. ``code`` is the
    item code of a problem that has one of its own.
    """

    line: int
    id: str
    images: tuple[str, ...]
    title: str | None
    url: str | None
    attributes: Attributes
    problem: str | None = None
    code: str | None = None
    description: str | None = None
    lines: tuple[int, ...] = ()

    @property
    def item_code(self) -> str:
        """The item code of a row that has a problem."""
        if self.id and id_problem(self.id):
            return "invalid_product_id"
        return self.code or INVALID

    def line_of(self, picture: int) -> int:
        """Return the line that names the picture of this number."""
        return self.lines[picture] if self.lines else self.line
