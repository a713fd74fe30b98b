"""Products made of a table's records: a product's records together, a bad one on its own."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Dict
from itertools import islice
from typing import NamedTuple

from visearch.records import Attributes
from visearch.rules import (
    MOST_IMAGES,
    attributes_problem,
    id_problem,
    is_storable,
    text_problem,
)
from visearch.tables.fates import without_fates
from visearch.tables.formats import recognise
from visearch.tables.formats.form import Form, Format, Piece
from visearch.tables.mapping import Choice, Mapping, SavedMapping, assign, require, settle
from visearch.tables.row import Row
from visearch.tables.survey import Digest, Survey, digest_of, survey
from visearch.tables.table import Record, Table
from visearch.tables.texts import are_modest, cut, first_text, fit
from visearch.tables.values import LONGEST_EXAMPLE, is_damaged, text_of

MOST_OPEN = 20_000
"""Records of unfinished products that are held at a time.

Products whose records are further apart come as several rows, which the import joins; then their
pictures are in the order of the records.
"""

_SAMPLE = 50
_CUT_ID = (
    "a spreadsheet has cut digits off the id {id}, and several rows have it now; "
    "give the column the format 'text' and export it again"
)
_TWO_PRODUCTS = (
    "several rows have the id {id} but other titles and other pictures; "
    "give each product an id of its own"
)


class Look(NamedTuple):
    """What a table's headings and its first records say of its columns, which may not suffice."""

    table: Table
    format: Format
    mapping: Mapping
    saved: SavedMapping | None


class Reading(NamedTuple):
    """A table that has been looked through: what its columns are, and what its products need."""

    table: Table
    format: Format
    mapping: Mapping
    survey: Survey
    prepared: Form

    def form(self) -> Form:
        """Return what reads the records, by the settled mapping."""
        form = self.format.form(self.mapping, self.table.description.kind)
        form.adopt(self.prepared)
        return form


def read(
    table: Table,
    *,
    saved: SavedMapping | None = None,
    choices: dict[str, Choice] | None = None,
) -> Reading:
    """Look at a table, and then through it.

    Args:
        table: it is read from start to end, for some formats up to three times.
        saved: what the catalog knows of its columns from earlier files.
        choices: what the merchant says of them now.

    Raises:
        InvalidRequest: ``choices`` do not fit the table.
        MappingIncomplete: no column is the id, or none is a picture.
        ArchiveCorrupt: the table cannot be read to its end.
    """
    return read_through(look(table, saved, choices))


def look(
    table: Table, saved: SavedMapping | None = None, choices: Dict[str, Choice] | None = None
) -> Look:
    """Look at the beginning of a table: recognise its format, say what its columns are.

    Their examples are of the first records.

    Raises:
        InvalidRequest: ``choices`` do not fit the table.
    """
    table = without_fates(table)
    format_ = recognise(table.headings)
    if format_.adapt is not None:
        table = format_.adapt(table)
    sample = list(islice(table.records(), _SAMPLE))
    guesses = format_.guess(table.headings, sample)
    mapping = assign(format_.name, table.headings, guesses, saved, choices)
    columns = (each._replace(example=_example(each.column, sample)) for each in mapping.columns)
    return Look(table, format_, mapping._replace(columns=tuple(columns)), saved)


def _example(column: str, sample: list[Record]) -> str | None:
    texts = (text_of(record.cells.get(column)) for record in sample)
    return next((text[:LONGEST_EXAMPLE] for text in texts if text), None)


def read_through(look: Look) -> Reading:
    """Look through a table: settle the types of its columns, learn what its products need.

    Raises:
        MappingIncomplete: no column is the id, or none is a picture.
        ArchiveCorrupt: the table cannot be read to its end.
    """
    table, format_, mapping, saved = look
    require(mapping)
    form = format_.form(mapping, table.description.kind)
    form.prepare(table)
    found = survey(table, mapping, form)
    return Reading(table, format_, settle(mapping, found.evidence, saved), found, form)


def products(reading: Reading, form: Form | None = None) -> Iterator[Row]:
    """Yield one row for each product, when its last record has been read.

    A record that cannot be read is a row of its own with a ``problem``, and its id if that is
    known. The same table gives the same rows in the same order, in every process.

    Args:
        reading: as ``read`` returned it.
        form: what reads the records, for callers that look at it afterwards.
    """
    form = reading.form() if form is None else form
    ambiguous, scattered = reading.survey.ambiguous, reading.survey.scattered
    group: _Group | None = None  # its records follow one another
    single: Piece | None = None  # so far the only record of its product, as most are
    apart = _Apart(scattered)
    for record in reading.table.records():
        piece = form.piece(record)
        if piece.problem:
            yield _refused(piece, piece.problem)
            continue
        if single is not None:
            if single.id == piece.id:
                group = _Group(single.id)
                group.pieces.append(single)
            else:
                yield _join([single])
            single = None
        if group is not None and group.id != piece.id:
            yield from group.close()
            group = None
        digest = digest_of(piece.id)
        if digest in ambiguous:
            why = _CUT_ID if is_damaged(piece.id) else _TWO_PRODUCTS
            yield _refused(piece, why.format(id=repr(piece.id[:80])), "id_ambiguous")
        elif digest in scattered:
            yield from apart.add(digest, piece)
        elif group is None:
            single = piece
        else:
            group.pieces.append(piece)
            if len(group.pieces) >= MOST_OPEN:
                yield from group.flush()
    if single is not None:
        yield _join([single])
    if group is not None:
        yield from group.close()
    yield from apart.close()


class _Group:
    """The pieces of one product that have been read; some may have been given already."""

    def __init__(self, product_id: str) -> None:
        self.id = product_id
        self.pieces: list[Piece] = []
        self._given = False

    def flush(self) -> Iterator[Row]:
        row = _join(self.pieces)
        self.pieces = []
        # Records without a picture add nothing to a product whose first row has been given.
        if not self._given or row.images:
            yield row
        self._given = True

    def close(self) -> Iterator[Row]:
        if self.pieces:
            yield from self.flush()


class _Apart:
    """The products whose records stand apart, until their last record or until they are many."""

    def __init__(self, counts: Dict[Digest, int]) -> None:
        self._missing = dict(counts)
        self._groups: dict[Digest, _Group] = {}
        self._held = 0

    def add(self, digest: Digest, piece: Piece) -> Iterator[Row]:
        group = self._groups.setdefault(digest, _Group(piece.id))
        group.pieces.append(piece)
        self._held += 1
        self._missing[digest] -= 1
        if not self._missing[digest]:
            del self._groups[digest]
            self._held -= len(group.pieces)
            yield from group.close()
        elif self._held > MOST_OPEN:
            yield from self._make_room()

    def _make_room(self) -> Iterator[Row]:
        """Give all that is held: giving the oldest one by one would cost a search each time."""
        for group in self._groups.values():
            if group.pieces:
                yield from group.flush()
        self._held = 0

    def close(self) -> Iterator[Row]:
        for group in self._groups.values():
            yield from group.close()


def _join(pieces: list[Piece]) -> Row:
    """Make one row: pictures by their places, the first that says something decides."""
    first = pieces[0]
    lines = _lines(pieces)  # by picture
    attributes = _merged(pieces)
    title, url, description = first.title, first.url, first.description
    if len(pieces) > 1:
        title = title or first_text(piece.title for piece in pieces)
        url = url or first_text(piece.url for piece in pieces)
        description = description or first_text(piece.description for piece in pieces)
    description = cut(description)
    problem, code = id_problem(first.id), None
    if problem is not None:
        code = "invalid_product_id"
    problem = problem or _picture_problem(len(lines)) or text_problem(title, url)
    if not are_modest(attributes):
        attributes, description = fit(attributes, description)
        problem = problem or attributes_problem(attributes)
    if description is not None and not is_storable(description):
        problem = problem or "the description holds a NUL or half of a surrogate pair"
    if problem:
        return Row(first.line, first.id, (), None, None, {}, problem, code)
    numbers = tuple(lines.values())
    return Row(
        first.line, first.id, tuple(lines), title, url, attributes, None, None, description, numbers
    )


def _lines(pieces: list[Piece]) -> dict[str, int]:
    """Return the pictures by their places, each once, with the line that names it first."""
    if len(pieces) == 1 and len(pieces[0].pictures) == 1:
        return {pieces[0].pictures[0].name: pieces[0].line}
    placed = [(picture, piece.line) for piece in pieces for picture in piece.pictures]
    placed.sort(key=lambda pair: pair[0].place)
    lines: dict[str, int] = {}
    for picture, line in placed:
        lines.setdefault(picture.name, line)
    return lines


def _picture_problem(count: int) -> str | None:
    if not count:
        return "the row names no image"
    if count > MOST_IMAGES:
        return f"the product has {count:,} images, more than the limit of {MOST_IMAGES:,}"
    return None


def _merged(pieces: list[Piece]) -> Attributes:
    merged: Attributes = dict(pieces[0].attributes)
    if len(pieces) == 1 and not pieces[0].variant:
        return merged
    several: dict[str, dict[str, None]] = {}
    for piece in pieces:
        for name, value in piece.attributes.items() if piece is not pieces[0] else ():
            merged.setdefault(name, value)
        for name, values in piece.variant.items():
            several.setdefault(name, {}).update(dict.fromkeys(values))
    for name, found in several.items():
        merged.setdefault(name, next(iter(found)) if len(found) == 1 else list(found))
    for name in sorted(pieces[0].varies.intersection(merged)):
        distinct = dict.fromkeys(value for piece in pieces for value in _each(piece, name))
        if len(distinct) > 1:
            merged[name] = [text_of(value) for value in distinct]
    return merged


def _each(piece: Piece, name: str) -> Iterator[str | float | bool]:
    """Yield the values of an attribute, if the record has it."""
    value = piece.attributes.get(name)
    if isinstance(value, list):
        yield from value
    elif value is not None:
        yield value


def _refused(piece: Piece, problem: str, code: str | None = None) -> Row:
    return Row(piece.line, piece.id, (), None, None, {}, problem, code)
