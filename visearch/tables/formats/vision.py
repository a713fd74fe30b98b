"""Google Vision Product Search's bulk CSV: eight columns that no line names, a row per picture."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from visearch.tables.formats.form import Form, Format, Piece
from visearch.tables.headings import Field
from visearch.tables.mapping import Guess, Mapping
from visearch.tables.table import Description, Kind, Record, Table

COLUMNS: dict[str, Field] = {
    "image-uri": "picture",
    "image-id": "ignore",
    "product-set-id": "attribute",
    "product-id": "id",
    "product-category": "attribute",
    "product-display-name": "title",
    "labels": "attribute",
    "bounding-poly": "ignore",
}
_FEWEST = 5
_BUCKET = re.compile(r"gs://[^/]+/")
_NOTE = (
    "The pictures are named as in a bucket; they are looked for in the archive by their path "
    "inside the bucket."
)


def recognises(headings: Sequence[str]) -> bool:
    """Tell whether the first line is a row of such a file, or names its columns."""
    named = len(set(headings) & set(COLUMNS)) >= _FEWEST
    return named or (len(headings) >= _FEWEST and headings[0].lower().startswith("gs://"))


def guess(headings: Sequence[str], sample: Sequence[Record]) -> dict[str, Guess]:
    """Say what each heading is."""
    return {
        heading: Guess(COLUMNS.get(heading, "ignore"), heading.replace("-", "_"))
        for heading in headings
    }


class _Named:
    """A table whose first line was taken for its headings, with that line as its first record."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._places = dict(zip(table.headings, COLUMNS, strict=False))
        self.headings = list(COLUMNS)
        notes = (*table.description.notes, _NOTE)
        self.description: Description = table.description._replace(notes=notes)

    def records(self) -> Iterator[Record]:
        """Yield the first line and then the others, by the names of the columns."""
        yield Record(1, {self._places[h]: v for h, v in self._first().items()})
        for record in self._table.records():
            cells = {self._places[h]: v for h, v in record.cells.items() if h in self._places}
            yield record._replace(cells=cells)

    def _first(self) -> dict[str, str]:
        """Return the first line's values, which stand in the headings, each made to differ."""
        values: dict[str, str] = {}
        for place, heading in enumerate(self._places, 1):
            value = "" if heading == f"column {place}" else heading
            base = re.sub(r" \([0-9]+\)$", "", value)
            values[heading] = base if base in values.values() else value
        return values


def adapt(table: Table) -> Table:
    """Return the table with the names of its columns, if its file has none."""
    return _Named(table) if table.headings[0].lower().startswith("gs://") else table


class VisionForm(Form):
    """Rows of one product id are its pictures; labels are ``key=value`` pairs."""

    def __init__(self, mapping: Mapping, kind: Kind) -> None:
        super().__init__(mapping, kind)
        self._valued = [pair for pair in self._valued if pair[0].column != "labels"]

    def pictures(self, record: Record) -> list[str]:
        """Return the path of the row's picture inside its bucket."""
        return [_BUCKET.sub("", name, count=1) for name in super().pictures(record)]

    def piece(self, record: Record) -> Piece:
        """Return all that a record says; a label may have several values."""
        piece = super().piece(record)
        labels: dict[str, list[str]] = {}
        for pair in self._text(record, "labels").split(","):
            key, sign, value = pair.partition("=")
            if sign and key.strip() and value.strip():
                labels.setdefault(key.strip(), []).append(value.strip())
        if piece.problem:
            return piece
        sets = piece.attributes.get("product_set_id")
        variant = labels | ({"product_set_id": [str(sets)]} if sets is not None else {})
        fixed = {k: v for k, v in piece.attributes.items() if k != "product_set_id"}
        return piece._replace(attributes=fixed, variant=variant)


VISION = Format("vision", recognises, guess, VisionForm, adapt)
