"""Tables in workbooks (.xlsx): the sheet that holds the products, a row at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from visearch.errors import TableUnreadable
from visearch.tables.csv_rows import typed
from visearch.tables.flat import problem_of
from visearch.tables.heading_row import (
    WIDTH_FROM,
    find_headings,
    may_hold_products,
    name_headings,
    name_products,
    width,
)
from visearch.tables.limits import MOST_COLUMNS, MOST_ROWS
from visearch.tables.numberformats import Format, formats, style_of, value_of
from visearch.tables.sharedstrings import SharedStrings, stored, text_of, unescape
from visearch.tables.table import Cell, Description, Record, Source
from visearch.tables.workbook import Sheet, Workbook, open_workbook

_SAMPLE_VALUES = 100_000
_PICTURE = re.compile(r'(?:_xlfn\.)?IMAGE\(\s*"[^"]+"', re.IGNORECASE)
_NO_RESULT = "the formula has no result; open the file in a spreadsheet and save it again"


class Row(NamedTuple):
    """The values of a row by column (from 0), and why another cannot be read.

    ``unsolved`` are the columns of formulas without a result.
    """

    number: int
    values: dict[int, Cell]
    problem: str | None
    unsolved: list[int]

    def listed(self) -> list[Cell]:
        """Return the values in order, with None where there is none."""
        return [self.values.get(column) for column in range(max(self.values, default=-1) + 1)]


class XlsxTable:
    """The rows of one sheet. A formula is never evaluated: its last result is its value."""

    def __init__(self, source: Source) -> None:
        self._source = source
        with _cells(source) as cells:
            self._sheet, headings = _first_table(cells)
            others = [sheet.name for sheet in cells.sheets if sheet != self._sheet]
        self._start = headings.number + 1
        self._named = headings.values.keys()
        self.headings = name_headings([_heading(value) for value in headings.listed()])
        notes = (f"The sheet '{self._sheet.name}' is read; left out: {', '.join(others)}.",)
        self.description = Description(
            "xlsx", None, False, None, self._sheet.name, notes if others else ()
        )

    def records(self) -> Iterator[Record]:
        """Yield every row below the headings that is not blank."""
        wanted = len(self.headings)
        with _cells(self._source) as cells:
            for row in cells.rows(self._sheet):
                if row.number < self._start:
                    continue
                problem = self._problem(row)
                if not row.values and problem is None:
                    continue
                named: dict[str, Cell] = {}
                for column, value in row.values.items():
                    if column < wanted:
                        named[self.headings[column]] = value
                    elif problem is None:
                        problem = f"it has a value in column {_letters(column)}, without a heading"
                yield Record(row.number, named, problem)

    def _problem(self, row: Row) -> str | None:
        """Return why a row cannot be read; formulas beside the table need no result."""
        wanted = (column for column in row.unsolved if column in self._named)
        if row.problem is None and (column := next(wanted, None)) is not None:
            return f"column {_letters(column)}: {_NO_RESULT}"
        return row.problem


class _Cells:
    """The cells of an open workbook."""

    def __init__(self, book: Workbook, strings: SharedStrings) -> None:
        self._book = book
        self._strings = strings
        self._formats: list[Format] = formats(book.styles())
        self.sheets = book.sheets

    def rows(self, sheet: Sheet) -> Iterator[Row]:
        """Yield the rows that the sheet holds; blank ones may be missing."""
        number = 0
        for element in self._book.elements(sheet.part, "row"):
            stated = element.get("r", "")
            following = int(stated) if stated.isdecimal() and len(stated) < 9 else number + 1
            number = max(following, number + 1)
            if number > MOST_ROWS:
                raise TableUnreadable(
                    f"The sheet '{sheet.name}' has more than {MOST_ROWS:,} rows. Send CSV."
                )
            yield self._row(number, element)

    def _row(self, number: int, element: Any) -> Row:
        values: dict[int, Cell] = {}
        problem = None
        unsolved: list[int] = []
        column = -1
        for cell in element:
            place = _number(cell.get("r", "").rstrip("0123456789"))
            column = column + 1 if place is None else place
            if column >= MOST_COLUMNS:
                problem = problem or f"it has a value beyond column {_letters(MOST_COLUMNS - 1)}"
                break
            value, trouble = self._value(cell)
            if trouble is None and isinstance(value, str):
                trouble = problem_of(value)
            if trouble == _NO_RESULT:
                unsolved.append(column)
            elif trouble is not None:
                problem = problem or f"column {_letters(column)}: {trouble}"
            elif value is not None and not (isinstance(value, str) and not value.strip()):
                values[column] = value
        return Row(number, values, problem, unsolved)

    def _value(self, cell: Any) -> tuple[Cell, str | None]:
        """Return a cell's value, or why it has none."""
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            return typed(text_of(cell)), None
        text = formula = None
        for child in cell:
            if child.tag.endswith("}v"):
                text = child.text
            elif child.tag.endswith("}f"):
                formula = child.text or ""
        if formula and _PICTURE.match(formula):
            return f"={formula}", None  # its result is no value, but it names one
        if not text:
            # Spreadsheets store the empty text that a formula gives as a text.
            is_open = kind != "str" and formula is not None
            return None, _NO_RESULT if is_open else None
        if kind == "s":
            if not text.isdecimal() or len(text) > 9 or int(text) >= len(self._strings):
                return None, "its text is missing in the workbook"
            return typed(self._strings[int(text)]), None
        if kind == "e":
            return None, f"the formula gives the error {text}"
        if kind == "b":
            return text.strip() in ("1", "true"), None
        if kind in ("str", "d"):
            return typed(unescape(text)), None
        try:
            style = style_of(cell.get("s"), self._formats)
            return value_of(text, style, from_1904=self._book.dates_from_1904), None
        except (ValueError, OverflowError):
            return None, "it is not a number"


@contextmanager
def _cells(source: Source) -> Iterator[_Cells]:
    with open_workbook(source) as book:
        part = book.strings()
        items = iter(()) if part is None else book.elements(part, "si")
        with stored(items) as strings:
            yield _Cells(book, strings)


def _first_table(cells: _Cells) -> tuple[Sheet, Row]:
    """Return the sheet that holds the products, and its headings.

    If the headings of one name an id and pictures, it is that one, or one before it that may hold
    products: instructions have neither ids nor pictures. Without one it is the first with headings
    and a row below them, else the first with headings.
    """
    found: list[tuple[int, Sheet, Row]] = []
    may_be: list[tuple[Sheet, Row]] = []
    for sheet in cells.sheets:
        try:
            rows = list(_sample(cells.rows(sheet)))
        except TableUnreadable:
            if not found:
                raise
            continue  # it is only looked for a better table than that of a sheet before it
        listed = [row.listed() for row in rows]
        place = find_headings(listed)
        if place is None:
            continue
        has_rows = any(map(width, listed[place + 1 :]))
        if has_rows and name_products(listed[place]):
            return next(iter(may_be), (sheet, rows[place]))
        if has_rows and may_hold_products(listed[place], listed[place + 1 :]):
            may_be.append((sheet, rows[place]))
        found.append((0 if has_rows else 1, sheet, rows[place]))
    if not found:
        raise TableUnreadable(
            "No sheet of the workbook holds a table. Put headings into the first row of a sheet."
        )
    _, sheet, headings = min(found, key=lambda each: each[0])
    return sheet, headings


def _sample(rows: Iterator[Row]) -> Iterator[Row]:
    size = 0
    for row in islice(rows, WIDTH_FROM):
        yield row
        size += len(row.values)
        if size > _SAMPLE_VALUES:
            return


def _heading(value: Cell) -> str:
    return "" if value is None else str(value)


@lru_cache(MOST_COLUMNS)
def _number(letters: str) -> int | None:
    """Return the column, from 0, that these letters name; None if they name none."""
    if not (letters.isascii() and letters.isalpha() and len(letters) < 6):
        return None
    column = 0
    for letter in letters.upper():
        column = column * 26 + ord(letter) - 64
    return column - 1


def _letters(column: int) -> str:
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
