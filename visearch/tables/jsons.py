"""Tables of JSON: one object a line, or a list of objects somewhere in a document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from visearch.errors import TableUnreadable
from visearch.tables.flat import TOO_DEEP, headings_of, record_of
from visearch.tables.grouped import Grouped
from visearch.tables.limits import LONGEST_RECORD, RECORD_TOO_LONG
from visearch.tables.nesting import Lists
from visearch.tables.outline import DEEPEST, MOST_NODES, Node, Outline, Path
from visearch.tables.table import Description, Record, Source
from visearch.tables.text import decoding_of, stretches, texts

# Control characters inside strings are no reason to lose a product.
_DECODER = json.JSONDecoder(strict=False)

_NOTHING: Mapping[Any, Any] = MappingProxyType({})
_OBJECTS = "JSON objects"
_NO_LIST = "The JSON document holds no list of objects. Send a list with one for a product."


class NdjsonTable:
    """One JSON object a line; a line that is not one fails alone."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._decoding = decoding_of(source)
        self._paths: list[Path] = [()]
        outline = Outline()
        self.headings = headings_of(self._noted(outline), _OBJECTS)
        _check_room(outline)
        self._paths = _choose(Lists(outline.top, single=False))
        if self._paths != [()]:
            self.headings = headings_of(self.records(), _OBJECTS)
        self.description = Description(
            "ndjson", self._decoding.label, self._decoding.assumed, None, notes=self._decoding.notes
        )

    def records(self) -> Iterator[Record]:
        """Yield the object of every line that is not blank, or those that it groups."""
        number, grouped = 0, Grouped(self._paths)
        for line, value, problem in self._lines():
            if problem is not None:
                number = number + 1 if self._paths != [()] else line
                yield Record(number, {}, problem)
            elif self._paths == [()]:
                yield record_of(line, value)
            else:
                for each in grouped.products(value, ()):
                    number += 1
                    yield each.record(number)

    def _noted(self, outline: Outline) -> Iterator[Record]:
        for line, value, problem in self._lines():
            if isinstance(value, dict):
                outline.add(outline.top, value)
            yield record_of(line, value) if problem is None else Record(line, {}, problem)

    def _lines(self) -> Iterator[tuple[int, Any, str | None]]:
        """Yield the number and the value of every line, or the problem that it has."""
        for stretch in stretches(self._source, self._decoding):
            for number, line in enumerate(stretch.lines, stretch.first):
                if text := line.strip().lstrip("\ufeff"):
                    yield number, *_of_line(text)


class JsonTable:
    """The objects of a JSON document's list, or the only one; its syntax is checked to the end."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._decoding = decoding_of(source)
        # One pass finds the lists, the next one the headings: a list may be the last of several.
        lists, self._keyed = self._document().lists()
        self._paths = [] if lists.is_product() else _choose(lists)
        self.headings = headings_of(self.records(), _OBJECTS)
        self.description = Description(
            "json",
            self._decoding.label,
            self._decoding.assumed,
            None,
            notes=(*self._decoding.notes, *lists.left_out(self._paths)),
        )

    def records(self) -> Iterator[Record]:
        """Yield every object of the list."""
        if not self._paths:
            yield record_of(1, self._document().whole())
            return
        number, grouped = 0, Grouped(self._paths)
        for path, value in self._document().elements(self._keyed):
            for each in grouped.products(value, path):
                number += 1
                yield each.record(number)

    def _document(self) -> _Document:
        return _Document(texts(self._source, self._decoding))


def is_product(value: Any) -> bool:
    """Tell whether a parsed document is one product; it is read alike on one line and on many.

    Raises:
        TableUnreadable: it is not clear.
    """
    if not isinstance(value, dict):
        return False
    outline = Outline()
    outline.add(outline.top, value)
    keyed = outline.by_key()
    return Lists(outline.top, single=() not in keyed).is_product()


class _Document:
    """A JSON document that is read a value at a time."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        self._text = ""
        self._at = 0
        self._line = 1
        self._complete = False
        self._keyed: Mapping[Path, bool] = _NOTHING

    def elements(self, keyed: Mapping[Path, bool] = _NOTHING) -> Iterator[tuple[Path, Any]]:
        """Yield the elements of every list of objects, with the path of the list.

        A list inside of such an object is part of it. The values of ``keyed`` objects are elements,
        whose names are their ids where it says so.
        """
        self._keyed = keyed
        for path, value, is_element in self._values():
            if is_element:
                yield path, value

    def lists(self) -> tuple[Lists, Mapping[Path, bool]]:
        """Read the document to its end; return its lists, and which of them are keyed objects.

        Raises:
            TableUnreadable: it is not valid, or neither an object nor a list of them.
        """
        outline = Outline()
        single = self._next() == "{"
        found = False
        for path, value, is_element in self._values():
            found = found or is_element or bool(path)
            is_element = is_element and len(path) <= DEEPEST
            node: Node | None = outline.top
            for name in path if is_element else path[:-1]:
                node = node and outline.inside(node, name, lists=is_element)
            if node is not None and is_element:
                node.listed = bool(path)
                if isinstance(value, dict):
                    outline.add(node, value, len(path))
            elif node is not None and path:
                outline.say(node, path[-1], value)
        if not found:
            raise TableUnreadable(_NO_LIST)
        keyed = outline.by_key() if single else {}
        if not keyed:
            _check_room(outline)
        return Lists(outline.top, single=single and () not in keyed), keyed

    def whole(self) -> Any:
        """Return the document as one value, which was read before."""
        return self._value()

    def _values(self) -> Iterator[tuple[Path, Any, bool]]:
        yield from self._below(())
        if self._next():
            raise self._broken("there is more text after the end of the document")

    def _below(self, path: Path) -> Iterator[tuple[Path, Any, bool]]:
        """Yield values with their path, and whether each is an element of a list of objects."""
        kind = self._next()
        if kind == "[":
            yield from self._list(path)
        elif kind == "{" and len(path) <= DEEPEST:
            self._take("{")
            more = self._next() != "}"
            if not more:
                yield path, {}, False
            while more:
                key = self._value() if self._next() == '"' else None
                if key is None:
                    raise self._broken("the name of a value is missing")
                self._take(":")
                if path in self._keyed:
                    value = self._value()
                    if self._keyed[path] and isinstance(value, dict):
                        value = {"id": key, **value}
                    yield path, value, True
                else:
                    yield from self._below((*path, key))
                more = self._goes_on("}")
            self._take("}")
        else:
            yield path, self._value(), False

    def _list(self, path: Path) -> Iterator[tuple[Path, Any, bool]]:
        self._take("[")
        of_objects = self._next() == "{"
        values: list[Any] = []  # the first, of a list of anything else
        more = self._next() != "]"
        while more:
            value = self._value()
            if of_objects:
                yield path, value, True
            elif not values:
                values.append(value)
            more = self._goes_on("]")
        self._take("]")
        if not of_objects:
            yield path, values, False

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
            grown = False
            while len(self._text) - self._at < enough:
                if not self._more():
                    if grown or problem == "a value is not complete":
                        break
                    self._at = min(at, len(self._text))
                    raise self._broken(problem)
                grown = True

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


def _of_line(text: str) -> tuple[Any, str | None]:
    """Return the value of a line, or why it has none."""
    if len(text) > LONGEST_RECORD:
        return None, RECORD_TOO_LONG
    try:
        return _DECODER.decode(text.removesuffix(",")), None
    except json.JSONDecodeError as error:
        return None, f"it is not valid JSON ({error.msg}, character {error.colno})"
    except RecursionError:
        return None, TOO_DEEP
    except ValueError as error:  # a number of thousands of digits
        return None, f"it is not valid JSON ({error})"


def _check_room(outline: Outline) -> None:
    """Raise if a list may not have been seen."""
    if outline.is_full:
        raise TableUnreadable(
            f"The JSON has more than {MOST_NODES:,} kinds of objects. Send one list of the "
            "products, of which each has the same names."
        )


def _choose(lists: Lists) -> list[Path]:
    """Return the lists that hold the products; those of one name are one list."""
    paths = lists.products()
    if not paths:
        raise TableUnreadable(_NO_LIST)
    chosen = lists.alike(paths)
    if lists.are_one(chosen):
        return chosen
    names = ", ".join(repr(".".join(path)) for path in paths[:5])
    raise TableUnreadable(
        f"The JSON document holds several lists of objects ({names}). Keep that of the "
        "products, or call it 'products'."
    )
