"""Tables of JSON: one object a line, or a list of objects somewhere in a document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from visearch.errors import TableUnreadable
from visearch.tables.flat import TOO_DEEP, headings_of, record_of
from visearch.tables.limits import LONGEST_RECORD, RECORD_TOO_LONG
from visearch.tables.table import Description, Record, Source
from visearch.tables.text import decoding_of, stretches, texts

# Control characters inside strings are no reason to lose a product.
_DECODER = json.JSONDecoder(strict=False)

_OBJECTS = "JSON objects"
_DEEPEST = 8
"""How many objects a list of products may be inside of."""

_NAMES = frozenset({"products", "items", "offers", "entries", "articles", "rows", "records"})
"""What the list of products is called where a document has several."""


class NdjsonTable:
    """One JSON object a line; a line that is not one fails alone."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._decoding = decoding_of(source)
        self.headings = headings_of(self.records(), _OBJECTS)
        self.description = Description(
            "ndjson", self._decoding.label, self._decoding.assumed, None, notes=self._decoding.notes
        )

    def records(self) -> Iterator[Record]:
        """Yield the object of every line that is not blank."""
        for stretch in stretches(self._source, self._decoding):
            for number, line in enumerate(stretch.lines, stretch.first):
                if text := line.strip().lstrip("\ufeff"):
                    yield _of_line(number, text)


class JsonTable:
    """The objects of a JSON document's list; its syntax is checked to the end."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._decoding = decoding_of(source)
        # One pass finds the lists, the next one the headings: a list may be the last of several.
        paths = dict.fromkeys(path for path, _ in self._elements())
        self._path = _choose(list(paths))
        others = ", ".join(path for path in paths if path != self._path)
        notes = (f"The list '{self._path}' is read; left out: {others}.",) if others else ()
        self.headings = headings_of(self.records(), _OBJECTS)
        self.description = Description(
            "json",
            self._decoding.label,
            self._decoding.assumed,
            None,
            notes=(*self._decoding.notes, *notes),
        )

    def records(self) -> Iterator[Record]:
        """Yield every object of the list."""
        number = 0
        for path, value in self._elements():
            if path == self._path:
                number += 1
                yield record_of(number, value)

    def _elements(self) -> Iterator[tuple[str, Any]]:
        return _Document(texts(self._source, self._decoding)).elements()


class _Document:
    """A JSON document that is read a value at a time."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        self._text = ""
        self._at = 0
        self._line = 1
        self._complete = False

    def elements(self) -> Iterator[tuple[str, Any]]:
        """Yield the elements of every list of objects, with the path of the list.

        A list inside of such an object is part of it. A document without a list is one object.
        """
        found = False
        for element in self._below("", 0):
            found = True
            yield element
        if self._next():
            raise self._broken("there is more text after the end of the document")
        if not found:
            raise TableUnreadable(
                "The JSON document holds no list of objects. Send a list with one for a product."
            )

    def _below(self, path: str, depth: int) -> Iterator[tuple[str, Any]]:
        kind = self._next()
        if kind == "[":
            yield from self._list(path)
        elif kind == "{" and depth < _DEEPEST:
            self._take("{")
            more = self._next() != "}"
            while more:
                key = self._value() if self._next() == '"' else None
                if key is None:
                    raise self._broken("the name of a value is missing")
                self._take(":")
                yield from self._below(f"{path}.{key}" if path else key, depth + 1)
                more = self._goes_on("}")
            self._take("}")
        else:
            self._value()

    def _list(self, path: str) -> Iterator[tuple[str, Any]]:
        self._take("[")
        of_objects = self._next() == "{"
        more = self._next() != "]"
        while more:
            value = self._value()
            if of_objects:
                yield path, value
            more = self._goes_on("]")
        self._take("]")

    def _goes_on(self, end: str) -> bool:
        """Pass over the comma before another value; return False at the end of the list."""
        if self._next() == end:
            return False
        self._take(",")
        return True

    def _next(self) -> str:
        """Return the next character that is not blank, without taking it; empty at the end."""
        while True:
            rest = len(self._text)
            while self._at < rest and self._text[self._at] in " \t\r\n\ufeff":
                self._at += 1
            if self._at < rest:
                return self._text[self._at]
            if not self._more():
                return ""

    def _take(self, char: str) -> None:
        if (found := self._next()) != char:
            raise self._broken(f"'{char}' is missing before {found!r}" if found else "it is cut")
        self._at += 1

    def _value(self) -> Any:
        if not self._next():
            raise self._broken("it is cut")
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                problem, at = error.msg, error.pos
            except (RecursionError, ValueError) as error:  # a number of thousands of digits, too
                problem = TOO_DEEP if isinstance(error, RecursionError) else str(error)
                raise self._broken(problem) from error
            else:
                if end < len(self._text) or self._complete:
                    self._at = end
                    return value
                problem, at = "a value is not complete", end  # the rest of a number may follow
            # It is broken, or its rest has not come: then look again when twice as much is there.
            held = len(self._text) - self._at
            enough = min(2 * held, LONGEST_RECORD + 1)
            if held > LONGEST_RECORD:
                raise self._broken(f"a value {RECORD_TOO_LONG.removeprefix('it ')}, or: {problem}")
            while len(self._text) - self._at < enough:
                if not self._more():
                    if self._complete and problem == "a value is not complete":
                        break
                    self._at = min(at, len(self._text))
                    raise self._broken(problem)

    def _more(self) -> bool:
        """Add a piece of text; return False if there is none."""
        piece = next(self._pieces, None)
        if piece is None:
            self._complete = True
            return False
        self._line += self._text.count("\n", 0, self._at)
        self._text = self._text[self._at :] + piece
        self._at = 0
        return True

    def _broken(self, what: str) -> TableUnreadable:
        line = self._line + self._text.count("\n", 0, self._at)
        return TableUnreadable(
            f"The file is not valid JSON: line {line:,}: {what}. Export it again, or send one "
            "object a line (NDJSON), of which a broken one fails alone."
        )


def _of_line(number: int, text: str) -> Record:
    if len(text) > LONGEST_RECORD:
        return Record(number, {}, RECORD_TOO_LONG)
    try:
        return record_of(number, _DECODER.decode(text))
    except json.JSONDecodeError as error:
        return Record(number, {}, f"it is not valid JSON ({error.msg}, character {error.colno})")
    except RecursionError:
        return Record(number, {}, TOO_DEEP)
    except ValueError as error:  # a number of thousands of digits
        return Record(number, {}, f"it is not valid JSON ({error})")


def _choose(paths: list[str]) -> str:
    """Return the list that holds the products."""
    named = [path for path in paths if path.rpartition(".")[2].casefold() in _NAMES]
    choice = paths if len(paths) == 1 else named
    if len(choice) != 1:
        names = ", ".join(repr(path) for path in paths[:5])
        raise TableUnreadable(
            f"The JSON document holds several lists of objects ({names}). Keep that of the "
            "products, or call it 'products'."
        )
    return choice[0]
