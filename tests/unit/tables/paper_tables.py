"""Tables that tests write down: from the text of a CSV, or from dictionaries."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from visearch.tables.products import Reading, products, read
from visearch.tables.row import Row
from visearch.tables.table import Cell, Description, Kind, Record


class PaperTable:
    """A table that is all in memory; ``passes`` counts how often it was read."""

    def __init__(self, headings: list[str], records: list[Record], kind: Kind = "csv") -> None:
        self.headings = headings
        self.description = Description(kind, "utf-8", False, "," if kind == "csv" else None)
        self.passes = 0
        self._records = records

    def records(self) -> Iterator[Record]:
        self.passes += 1
        return iter(self._records)


def csv_table(text: str, delimiter: str = ",") -> PaperTable:
    """Return the table of a CSV; every line of ``text`` is a record, also inside of quotes."""
    headings, *rows = csv.reader(text.strip("\n").splitlines(), delimiter=delimiter, strict=True)
    records = [
        Record(line, {h: v for h, v in zip(headings, row, strict=True) if v})
        for line, row in enumerate(rows, 2)
    ]
    return PaperTable(headings, records)


def export(name: str) -> str:
    """Return the text of an export as a shop's software writes it."""
    return (Path(__file__).parent / "formats" / "exports" / name).read_text(encoding="utf-8")


def table_of(*rows: Mapping[str, Cell], kind: Kind = "json") -> PaperTable:
    """Return the table of some objects, whose headings are those that occur."""
    headings = list(dict.fromkeys(name for row in rows for name in row))
    return PaperTable(headings, [Record(n, row) for n, row in enumerate(rows, 1)], kind)


def reading_of(table: PaperTable | str, **options: Any) -> Reading:
    return read(csv_table(table) if isinstance(table, str) else table, **options)


def rows_of(table: PaperTable | str, **options: Any) -> list[Row]:
    """Return the products of a table, or of a CSV's text."""
    return list(products(reading_of(table, **options)))


def good(rows: list[Row]) -> dict[str, Row]:
    """Return rows by id; none of them may have a problem, or an id that another one has."""
    assert [row.problem for row in rows if row.problem] == []
    assert len({row.id for row in rows}) == len(rows)
    return {row.id: row for row in rows}
