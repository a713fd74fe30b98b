"""Rows of delimited text, of which one that is badly quoted or too wide fails alone."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from visearch.tables.limits import CELL_TOO_LONG, LONGEST_CELL, LONGEST_RECORD, RECORD_TOO_LONG
from visearch.tables.table import Record
from visearch.tables.text import NO_WIDTH, Stretch, is_foul

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

# The limit of the csv module is one for the whole process. Its own, 128 kB, is below ours.
csv.field_size_limit(LONGEST_CELL)

_new_tuple = tuple.__new__
"""Makes a named tuple in half the time, where there are millions of them."""

FOUL_CELL = "a character cannot be read; save the file as UTF-8"
_NEVER_CLOSED = "a quote is opened and never closed"
_NOT_DOUBLED = "a quote inside a quoted value is not doubled"

_LONG_OR_OPEN = f"{CELL_TOO_LONG}, or its quote is never closed"

_FORMULA = re.compile(r'\s*="((?:[^"]|"")*)"\s*')
"""How Excel is made to keep a text that looks like a number: ="00123"."""


_BLANKS_AND_QUOTE = re.compile(' +"')


class Row(NamedTuple):
    """The cells of the lines from ``line`` up to, and without, ``end``."""

    line: int
    end: int
    cells: list[str]


class Dialect(NamedTuple):
    """What separates values, and whether blanks before one are no part of it."""

    delimiter: str
    skips_blanks: bool = False

    def reader(self, lines: Iterable[str], *, strict: bool = True) -> CsvReader:
        """Return the C reader of some lines."""
        return csv.reader(
            lines, delimiter=self.delimiter, skipinitialspace=self.skips_blanks, strict=strict
        )


class _Attempt(NamedTuple):
    """One reading of a row: its cells, or why there are none; and how many lines it takes."""

    cells: list[str]
    taken: int
    problem: str | None = None
    unfinished: bool = False


def typed(text: str) -> str:
    """Return what was typed: ``00123`` for ``="00123"``, and no characters that nobody sees."""
    text = text if text.isascii() else text.strip(NO_WIDTH)
    found = _FORMULA.fullmatch(text) if '="' in text else None
    return text if found is None else found[1].replace('""', '"')


def dialect_of(lines: Sequence[str], delimiter: str) -> Dialect:
    """Return how these first lines are written: they may have blanks before quotes."""
    plain, skipping = Dialect(delimiter), Dialect(delimiter, skips_blanks=True)
    if not any(' "' in line for line in lines):
        return plain
    attempts = list(_sample(lines, plain))
    such = sum(any(map(_BLANKS_AND_QUOTE.match, each.cells)) for each in attempts)
    # A value may begin with a blank and a quoted word: then more follows where the quote closes.
    odd = sum(each.problem is not None for each in _sample(lines, skipping))
    odd -= sum(each.problem is not None for each in attempts)
    return skipping if such > 2 * odd else plain


def sample_rows(lines: Sequence[str], dialect: Dialect) -> list[Row]:
    """Return the rows of these first lines; a badly quoted line is a row by itself."""
    rows = []
    line = 1
    for attempt in _sample(lines, dialect):
        rows.append(Row(line, line + attempt.taken, attempt.cells))
        line += attempt.taken
    return rows


def _sample(lines: Sequence[str], dialect: Dialect) -> Iterator[_Attempt]:
    at = 0
    while at < len(lines):
        attempt = _attempt(lines, at, dialect)
        if attempt.problem is not None:
            cells = next(dialect.reader([lines[at][:LONGEST_CELL]], strict=False), [])
            attempt = attempt._replace(cells=cells, taken=1)
        yield attempt
        at += attempt.taken


class RowReader:
    """Makes records of the lines below the headings; holds those of one record."""

    def __init__(self, headings: Sequence[str], dialect: Dialect, *, start: int) -> None:
        """Take the headings, the dialect and the number of the first line below the headings."""
        self._headings = headings
        self._dialect = dialect
        self._start = start
        self._lines: list[str] = []  # not yet part of a record
        self._first = 1  # the number of the first of them
        self._enough = 0  # so many characters are needed to go on with an unfinished row
        self._plain = True
        self._usual = len(headings)  # how many cells the last short row had
        self._failed: Record | None = None  # a badly quoted row whose end is not known yet
        self._failed_to = 0

    def read(self, stretch: Stretch) -> Iterator[Record]:
        """Yield the records that end in this stretch of lines."""
        self._lines += stretch.lines
        self._plain &= stretch.plain
        above = min(max(self._start - self._first, 0), len(self._lines))
        del self._lines[:above]
        self._first += above
        if not self._enough or sum(map(len, self._lines)) >= self._enough:
            self._enough = 0
            yield from self._records(final=False)
            self._plain |= not self._lines

    def end(self) -> Iterator[Record]:
        """Yield the records that are left when there are no more lines."""
        yield from self._records(final=True)
        yield from self._give_failed()

    def _records(self, *, final: bool) -> Iterator[Record]:
        lines, at, headings = self._lines, 0, self._headings
        wanted = len(headings)
        while at < len(lines):
            # The C reader does the well-formed rows; any other is looked at by itself.
            reader = self._dialect.reader(_from(lines, at))
            start = at
            try:
                for cells in reader:
                    if self._failed is not None or (len(cells) != wanted and cells):
                        break
                    if (cells and cells[0].strip()) or any(map(str.strip, cells)):
                        if self._plain:
                            values = dict(zip(headings, cells, strict=False))
                            yield _new_tuple(Record, (self._first + at, values, None))
                        else:
                            yield self._record(self._first + at, cells)
                    at = start + reader.line_num
            except csv.Error:
                pass  # the row at `at` is odd, or goes on in lines that have not come
            if at >= len(lines):
                break
            attempt = self._odd(at, final=final)
            if attempt is None:
                self._enough = 2 * sum(map(len, lines[at:]))
                break
            yield from self._settle(at, attempt)
            at += attempt.taken
        del lines[:at]
        self._first += at

    def _odd(self, at: int, *, final: bool) -> _Attempt | None:
        """Return the best reading of the row that begins at ``at``; None: more lines are needed."""
        lines = self._lines
        plain = _attempt(lines, at, self._dialect)
        if self._fits(at, plain):
            return plain
        if '\\"' in lines[at]:  # as PHP writes a quote
            escaped = _attempt(lines, at, self._dialect, escaped=True)
            if self._fits(at, escaped):
                return escaped
        if plain.unfinished and not final and sum(map(len, lines[at:])) <= LONGEST_RECORD:
            return None
        literal = lines[at].rstrip("\r\n").split("\t")
        if (
            self._dialect.delimiter == "\t"
            and plain.problem
            and len(literal) == len(self._headings)
        ):
            return _Attempt(literal, 1)  # text between tabs is often not quoted at all
        if plain.problem is None and not self._hides_rows(at, plain.taken):
            return plain  # only too wide
        return _Attempt(_leading(lines[at], self._dialect), 1, plain.problem or _NEVER_CLOSED)

    def _fits(self, at: int, attempt: _Attempt) -> bool:
        cells, wanted = attempt.cells, len(self._headings)
        if attempt.problem is not None or any(map(str.strip, cells[wanted:])):
            return False
        if self._failed is not None:  # where the rows go on, not a line of the failed one
            quotes = sum(line.count('"') for line in self._lines[at : at + attempt.taken])
            return len(cells) in (wanted, self._usual) and quotes % 2 == 0
        return len(cells) == wanted or not self._hides_rows(at, attempt.taken)

    def _hides_rows(self, at: int, taken: int) -> bool:
        """Tell whether one of the lines that a quote runs over is a row by itself."""
        full = (len(self._headings), self._usual)
        return any(
            len(_attempt(self._lines, inner, self._dialect, alone=True).cells) in full
            for inner in range(at + 1, at + taken)
            if self._lines[inner].count('"') % 2 == 0
        )

    def _settle(self, at: int, attempt: _Attempt) -> Iterator[Record]:
        line, wanted = self._first + at, len(self._headings)
        cells = attempt.cells
        if self._failed is not None and not self._fits(at, attempt):
            self._failed_to = line + attempt.taken - 1
            return
        yield from self._give_failed()
        if attempt.problem is not None:
            self._failed = Record(line, self._values(cells), attempt.problem)
            self._failed_to = line
            if self._lines[at].count('"') % 2 == 0:  # no quote is open: the next line is a row
                yield from self._give_failed()
        elif any(map(str.strip, cells[wanted:])):
            problem = f"it has {len(cells):,} values for {wanted:,} columns"
            yield Record(line, self._values(cells), problem)
        elif any(map(str.strip, cells)):
            self._usual = min(len(cells), wanted)
            yield self._record(line, cells)

    def _give_failed(self) -> Iterator[Record]:
        if self._failed is not None:
            line, cells, problem = self._failed
            more = self._failed_to > line
            left_out = f"; lines {line:,} to {self._failed_to:,} are left out" if more else ""
            yield Record(line, cells, f"{problem}{left_out}")
        self._failed = None

    def _record(self, line: int, cells: list[str]) -> Record:
        if self._plain:
            return Record(line, dict(zip(self._headings, cells, strict=False)))
        values = self._values(cells)
        if sum(map(len, cells)) > LONGEST_RECORD:
            return Record(line, dict(islice(values.items(), 1)), RECORD_TOO_LONG)
        return Record(line, values, FOUL_CELL if any(map(is_foul, cells)) else None)

    def _values(self, cells: list[str]) -> dict[str, str]:
        """Return the cells by heading, but for those that cannot be read."""
        pairs = zip(self._headings, cells, strict=False)
        return {heading: typed(text) for heading, text in pairs if not is_foul(text)}


def _from(lines: Sequence[str], at: int) -> Iterator[str]:
    return islice(lines, at, None)


def _attempt(
    lines: Sequence[str], at: int, dialect: Dialect, *, escaped: bool = False, alone: bool = False
) -> _Attempt:
    """Read one row that begins at ``at``; ``alone``: and ends with that line."""
    source: Iterator[str] = iter((lines[at],)) if alone else _from(lines, at)
    if escaped:
        source = (line.replace('\\"', '""') for line in source)
    reader = dialect.reader(source)
    try:
        cells = next(reader)
    except csv.Error as error:
        taken, words = max(reader.line_num, 1), str(error)
        if words.startswith("unexpected end"):
            return _Attempt([], taken, _NEVER_CLOSED, unfinished=True)
        if not words.startswith("field larger"):
            return _Attempt([], taken, _NOT_DOUBLED if taken == 1 else _NEVER_CLOSED)
        return _Attempt([], taken, CELL_TOO_LONG if taken == 1 else _LONG_OR_OPEN)
    return _Attempt(cells, reader.line_num)


@cache
def _good_cell(dialect: Dialect) -> re.Pattern[str]:
    end = f"(?:{re.escape(dialect.delimiter)}|[\r\n]|\\Z)"
    other = f"[^{re.escape(dialect.delimiter)}\r\n]"
    blanks = " *+" if dialect.skips_blanks else ""
    return re.compile(f'{blanks}(?:"((?:[^"]++|"")*+)"|((?!"){other}*+)){end}')


def _leading(line: str, dialect: Dialect) -> list[str]:
    """Return the cells at the start of a line, up to the first that is badly quoted."""
    cells: list[str] = []
    place = 0
    while place < len(line) and (found := _good_cell(dialect).match(line, place)):
        cell = found[2] if found[1] is None else found[1].replace('""', '"')
        if len(cell) > LONGEST_CELL:
            break
        cells.append(cell)
        place = found.end()
    return cells
