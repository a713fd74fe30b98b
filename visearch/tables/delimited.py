"""Tables of delimited text: CSV, TSV and their relatives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from visearch.errors import TableUnreadable
from visearch.tables.csv_rows import Dialect, RowReader, dialect_of, sample_rows, typed
from visearch.tables.heading_row import WIDTH_FROM, find_headings, name_headings
from visearch.tables.table import Description, Record, Source
from visearch.tables.text import Decoding, decoding_of, stretches

DELIMITERS = ("\t", ";", ",", "|")

NO_DELIMITER = "\x1f"
"""Separates nothing: for a table of one column."""

_SEP = re.compile(r'\ufeff?"?sep=([^\w\s"]|\t)"?[,;\t| ]*[\r\n]*', re.IGNORECASE)
"""The line by which Excel is told the delimiter."""

_SAMPLE_LINES = 1000
_SURE = 0.7
"""The share of rows that must fit headings which are not in the first row."""

_BLANK = ' \t\r\n,;|"\ufeff'
_SAMPLE_SIZE = 1024 * 1024
"""Characters of the sample, at least one line."""


class DelimitedTable:
    """Records of delimited text; one that cannot be read fails alone."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._decoding = decoding_of(source)
        self._unwraps = False
        sample = _first_lines(source, self._decoding)
        if not any(line.strip(_BLANK) for line in sample):
            raise TableUnreadable("The file has no text. Send a table with a row of headings.")
        stated = _SEP.fullmatch(sample[0])
        if stated is not None:
            sample[0] = "\n"
        elif _are_wrapped(sample):
            self._unwraps = True
            sample = _Unwrapper().lines(sample)
        delimiter = stated[1] if stated is not None else sniff(sample)
        self._dialect = dialect_of(sample, delimiter)
        rows = [row for row in sample_rows(sample, self._dialect) if row.cells][:WIDTH_FROM]
        place = find_headings([row.cells for row in rows])
        if place is None:
            raise TableUnreadable("The file has no headings. Name the columns in its first row.")
        self._start = rows[place].end
        self.headings = name_headings([typed(text) for text in rows[place].cells])
        self.description = Description(
            "csv",
            self._decoding.label,
            self._decoding.assumed,
            None if delimiter == NO_DELIMITER else delimiter,
            notes=(
                *self._decoding.notes,
                *_notes(stated, [row.line for row in rows[:place]]),
            ),
        )

    def records(self) -> Iterator[Record]:
        """Yield every record below the headings."""
        reader = RowReader(self.headings, self._dialect, start=self._start)
        unwrapper = _Unwrapper() if self._unwraps else None
        for stretch in stretches(self._source, self._decoding):
            if unwrapper is not None:
                stretch = stretch._replace(lines=unwrapper.lines(stretch.lines))
            yield from reader.read(stretch)
        yield from reader.end()


def sniff(lines: list[str]) -> str:
    """Return the delimiter that gives most rows as many columns as there are headings.

    It is ``NO_DELIMITER`` if none of them divides the headings.
    """
    best, most = NO_DELIMITER, (0.0, 0, 1)
    for delimiter in DELIMITERS:
        found = sample_rows(lines, dialect_of(lines, delimiter))
        rows = [row.cells for row in found if any(map(str.strip, row.cells))]
        place = find_headings(rows)
        if place is None or len(rows[place]) < 2:
            continue
        fit = _fit(len(rows[place]), rows[place + 1 :])
        if place and fit < _SURE:
            continue  # rather a value of the only column that holds this character
        if (fit, -place, len(rows[place])) > most:
            best, most = delimiter, (fit, -place, len(rows[place]))
    return best


class _Unwrapper:
    """Takes off the quotes around rows that were saved as one value each."""

    def __init__(self) -> None:
        self._inside = False

    def lines(self, lines: Iterable[str]) -> list[str]:
        """Return these lines, which go on where the last ones ended, with the values as such."""
        return [self._line(line) for line in lines]

    def _line(self, line: str) -> str:
        text = line.rstrip("\r\n")
        end = line[len(text) :]
        if not self._inside:
            if not text.startswith('"'):
                return line
            self._inside, text = True, text[1:]
        if text.endswith('"') and text.count('"') % 2:  # those of the values are doubled
            self._inside, text = False, text[:-1]
        return text.replace('""', '"') + end


def _are_wrapped(lines: list[str]) -> bool:
    """Tell whether each row is one quoted value that holds a row; that of headings may be bare."""
    whole = Dialect(NO_DELIMITER)
    rows = [row for row in sample_rows(lines, whole) if any(map(str.strip, row.cells))]
    if len(rows) < 2 or not all(lines[row.line - 1].startswith('"') for row in rows[1:]):
        return False
    delimiter = sniff(_Unwrapper().lines(lines))
    if delimiter == NO_DELIMITER or delimiter not in rows[0].cells[0]:
        return False
    # Not so if the quotes are those of the first value of each row.
    return all(len(row.cells) < 2 for row in sample_rows(lines, Dialect(delimiter))[1:])


def _fit(wanted: int, rows: list[list[str]]) -> float:
    """Return the share of rows as wide as the headings; shorter ones count for half."""
    if not rows:
        return 0.5
    full = sum(len(row) == wanted for row in rows)
    return (full + 0.5 * sum(1 < len(row) < wanted for row in rows)) / len(rows)


def _first_lines(source: Source, decoding: Decoding) -> list[str]:
    lines: list[str] = []
    size = 0
    for stretch in stretches(source, decoding):
        for line in stretch.lines:
            lines.append(line)
            size += len(line)
            if len(lines) == _SAMPLE_LINES or size > _SAMPLE_SIZE:
                return lines
    return lines


def _notes(stated: re.Match[str] | None, above: list[int]) -> Iterator[str]:
    if stated is not None:
        name = "a tab" if stated[1] == "\t" else f"'{stated[1]}'"
        yield f"The first line says that values are separated by {name}."
    if above:
        lines = f"Line {above[0]}" if len(above) == 1 else f"Lines {above[0]} to {above[-1]}"
        yield f"{lines} above the headings {'is' if len(above) == 1 else 'are'} left out."
