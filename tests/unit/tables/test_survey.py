"""The first pass: what has to be known of a whole table, in little memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

from paper_tables import PaperTable, csv_table, reading_of

from visearch.tables.survey import digest_of
from visearch.tables.table import Record


def test_what_is_counted() -> None:
    found = reading_of(csv_table("id,image\n1,a\n1,b\n2,c\n1,d\n4.5E+12,e\n,f\n")).survey
    assert found.rows == 6
    assert found.scattered == {digest_of("1"): 3}
    assert found.damaged == 1 and found.ambiguous == frozenset()


class Endless(PaperTable):
    """A table whose records are made as they are read."""

    def __init__(self, rows: int) -> None:
        super().__init__(["id", "image", "title", "price"], [])
        self._rows = rows

    def records(self) -> Iterator[Record]:
        for n in range(self._rows):
            cells = {"id": f"product-{n:09}", "image": f"{n}.jpg", "title": f"Title {n}"}
            yield Record(n + 2, {**cells, "price": "9.99 EUR"})


def peak_of(rows: int) -> int:
    """Return the most bytes that are held while a table of so many rows is looked through."""
    tracemalloc.start()
    try:
        reading_of(Endless(rows))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_record_costs_few_bytes_until_the_end() -> None:
    peak_of(10)  # what is loaded and cached once
    assert peak_of(3000) - peak_of(1000) < 2000 * 200
