"""The rows of a CSV manifest."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from visearch.archives.lines import broken
from visearch.archives.row import Row, make_row
from visearch.records import Attributes
from visearch.rules import number_of

_LONGEST_ROW = 4 * 1024 * 1024


class _Columns(NamedTuple):
    names: list[str]
    id: int
    image: int
    title: int | None
    url: int | None
    others: list[int]


class _Source:
    """Feeds lines to the csv reader and stops a row whose quotes never close."""

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self._lines = lines
        self.first = 0  # line on which the current row begins
        self._taken = 0

    def new_row(self) -> None:
        self.first = self._taken = 0

    def __iter__(self) -> _Source:
        return self

    def __next__(self) -> str:
        number, line = next(self._lines)
        self.first = self.first or number
        self._taken += len(line)
        if self._taken > _LONGEST_ROW:
            raise broken(self.first, "the row never ends; close its quotes")
        return line


def csv_rows(lines: Iterator[tuple[int, str]]) -> Iterator[Row]:
    """Yield one row per line of values; an empty value counts as absent.

    CSV has no types: an attribute that reads as a number becomes a number.

    Args:
        lines: ``(number, line)``; the first line names the columns.

    Raises:
        ArchiveCorrupt: a column is missing, or a row is ragged or badly quoted.
    """
    records = _records(lines)
    line, names = next(records, (1, []))
    columns = _columns(line, [name.strip() for name in names])
    for line, values in records:
        if len(values) != len(columns.names):
            wanted = len(columns.names)
            raise broken(
                line, f"expected {wanted} values, one for each column, but found {len(values)}"
            )
        yield _row(line, values, columns)


def _records(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, list[str]]]:
    source = _Source(lines)
    reader = csv.reader(source, strict=True)
    try:
        for values in reader:
            if values:  # a blank line is not a row
                yield source.first, values
            source.new_row()
    except csv.Error as error:
        raise broken(source.first or 1, f"the row is not valid CSV ({error})") from error


def _columns(line: int, names: list[str]) -> _Columns:
    places = {name.casefold(): index for index, name in reversed(list(enumerate(names)))}
    key = places.get("id", places.get("sku"))
    image = places.get("image")
    if key is None or image is None:
        missing = "'id' or 'sku'" if key is None else "'image'"
        found = ", ".join(names)[:200] or "none"
        raise broken(
            line,
            f"there is no column {missing}; name it, and separate columns by commas "
            f"(columns found: {found})",
        )
    for name, times in Counter(name.casefold() for name in names if name).items():
        if times > 1:
            raise broken(line, f"column {name!r} appears {times} times; keep one")
    title, url = places.get("title"), places.get("url")
    others = [i for i in range(len(names)) if i not in (key, image, title, url)]
    return _Columns(names, key, image, title, url, others)


def _row(line: int, values: list[str], columns: _Columns) -> Row:
    attributes: Attributes = {}
    for index in columns.others:
        if value := values[index].strip():
            if not columns.names[index]:
                raise broken(
                    line, f"value {index + 1} is in a column without a name; name the column"
                )
            number = number_of(value)
            attributes[columns.names[index]] = value if number is None else number
    texts = (_at(values, columns.title), _at(values, columns.url))
    key, image = values[columns.id].strip(), values[columns.image]
    return make_row(line, key, [image], texts, attributes)


def _at(values: list[str], index: int | None) -> str | None:
    return None if index is None else values[index].strip()
