"""What an import would do, before it does anything: the answer of ``?dry_run=true``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from collections.abc import Mapping as Dict
from itertools import islice
from typing import Literal, NamedTuple, get_args

from pydantic import BaseModel

from visearch.tables.formats.form import Odd
from visearch.tables.headings import Field
from visearch.tables.mapping import Column
from visearch.tables.products import Look, Reading, products
from visearch.tables.row import Row
from visearch.tables.survey import Digest, digest_of
from visearch.tables.values import Type

PICTURES = "pictures"
"""The format of an archive without a table."""

FIRST_PRODUCTS = 20
MOST_FAILURES = 1000
"""Failures that a preview lists; ``counts.failed`` counts them all."""

_BATCH = 500


class MappedColumn(BaseModel):
    """What one column is taken for. ``currency`` is what all its prices have in common."""

    column: str
    field: Field
    type: Type
    example: str | None
    currency: str | None = None


class PreviewPicture(BaseModel):
    """A picture as the table names it; ``found`` is null where nobody has looked for it."""

    name: str
    found: bool | None = None


class PreviewProduct(BaseModel):
    """One of the first products, as it would be stored."""

    id: str
    title: str | None
    url: str | None
    description: str | None
    attributes: dict[str, str | int | float | bool | list[str]]
    pictures: list[PreviewPicture]


class PreviewCounts(BaseModel):
    """How much there is, and what would become of it; null is what has not been looked up."""

    rows: int
    products: int = 0
    pictures: int = 0
    add: int | None = None
    change: int | None = None
    remove: int | None = None
    unchanged: int | None = None
    failed: int = 0


class PreviewFailure(BaseModel):
    """A row, or the ``picture`` of one, that would fail."""

    line: int
    picture: str | None = None
    code: str
    detail: str


class PreviewProblem(BaseModel):
    """Why the import would fail as a whole, or would not do all that it is to do."""

    code: str
    detail: str


class PreviewGuard(BaseModel):
    """Whether a replace would be stopped: ``remove`` of ``products`` are more than it may remove.

    ``guard`` is the share that it may.
    """

    guard: float
    products: int
    remove: int
    stops: bool


class Preview(BaseModel):
    """The whole answer. ``ignored`` names files of an archive that are no part of the catalog.

    ``upload`` names the file, which is kept for a while: an import of it needs no other.
    """

    upload: str = ""
    format: str
    encoding: str | None
    delimiter: str | None
    mapping: list[MappedColumn]
    products: list[PreviewProduct]
    counts: PreviewCounts
    failures: list[PreviewFailure]
    ignored: list[str] = []
    notes: list[str] = []
    guard: PreviewGuard | None = None
    problem: PreviewProblem | None = None


Change = Literal["add", "change", "unchanged"]
CHANGES: tuple[Change, ...] = get_args(Change)


class Fate(NamedTuple):
    """What would become of a product; of one without a picture that can be used, nothing.

    ``missing`` holds, for pictures that cannot be used, a code and a sentence. ``unseen`` are those
    that nobody has looked for: they are named by URL.
    """

    change: Change | None
    missing: Dict[str, tuple[str, str]]
    unseen: Collection[str] = ()


Judge = Callable[[Sequence[Row]], Sequence[Fate]]
"""Says what would become of each row: it knows the archive and the store.

A product whose records are far apart may come in several rows, and is judged in each. Of a row with
a problem nothing is asked, but the judge may want to know it.
"""


def preview(reading: Reading, judge: Judge | None = None) -> Preview:
    """Read a table to its end and tell what it holds; memory does not grow with it.

    Args:
        reading: as ``products.read`` returned it.
        judge: without it, nothing is said of pictures found and products changed.

    ``ignored`` and ``counts.remove`` are for the caller to fill in.
    """
    form = reading.form()
    counter = _Counter(reading.survey.rows, reading.survey.scattered, judged=judge is not None)
    counter.read(products(reading, form), judge)
    return counter.preview(reading, list(_notes(reading, form.odd)))


def preview_pictures(rows: Iterable[Row], judge: Judge) -> Preview:
    """Tell what becomes of pictures that no table describes, each in a row of its own."""
    counter = _Counter(0, None, judged=True)
    counter.read(iter(rows), judge)
    return counter.preview(None, [])


def preview_incomplete(look: Look) -> Preview:
    """Tell what is known of a table whose columns do not suffice, for its sender to say more."""
    return _Counter(0, None, judged=False).preview(look, [])


class _Counter:
    """Adds up what the rows say.

    ``several`` are the ids that may come in several rows; None: each of them may.
    """

    def __init__(self, rows: int, several: Collection[Digest] | None, *, judged: bool) -> None:
        self.products: list[PreviewProduct] = []
        self.failures: list[PreviewFailure] = []
        self._rows = rows
        self._products = self._pictures = self._failed = 0
        self._changes: dict[str, int] | None = dict.fromkeys(CHANGES, 0) if judged else None
        self._several = several
        self._seen: set[Digest] = set()
        self._changed: set[Digest] = set()

    def read(self, rows: Iterator[Row], judge: Judge | None) -> None:
        """Count all rows."""
        while batch := list(islice(rows, _BATCH)):
            fates = [None] * len(batch) if judge is None else judge(batch)
            for row, fate in zip(batch, fates, strict=True):
                if row.problem is not None:
                    self.refuse(row)
                else:
                    self.take(row, fate)

    def preview(self, table: Reading | Look | None, notes: list[str]) -> Preview:
        """Return what was counted, of a table or of pictures."""
        description = None if table is None else table.table.description
        return Preview(
            format=PICTURES if table is None else table.format.name,
            encoding=description and description.encoding,
            delimiter=description and description.delimiter,
            mapping=[] if table is None else [_mapped(column) for column in table.mapping.columns],
            products=self.products,
            counts=self.counts(),
            failures=self.failures,
            notes=[*(description.notes if description else ()), *notes],
        )

    def counts(self) -> PreviewCounts:
        return PreviewCounts(
            rows=self._rows,
            products=self._products,
            pictures=self._pictures,
            failed=self._failed,
            **(self._changes or {}),
        )

    def refuse(self, row: Row) -> None:
        self._fail(row.line, row.item_code, sentence(row.problem or ""))

    def take(self, row: Row, fate: Fate | None) -> None:
        self._pictures += len(row.images)
        change = None if fate is None else fate.change
        if change and self._changes is not None and self._is_new(row, self._changed):
            self._changes[change] += 1
        if self._is_new(row, self._seen):
            self._products += 1
            if len(self.products) < FIRST_PRODUCTS:
                self.products.append(_shown(row, fate))
        for place, name in enumerate(row.images):
            if fate is not None and name in fate.missing:
                self._fail(row.line_of(place), *fate.missing[name], picture=_printable(name))

    def _is_new(self, row: Row, seen: set[Digest]) -> bool:
        if self._several is not None and not self._several:
            return True
        digest = digest_of(row.id)
        if self._several is not None and digest not in self._several:
            return True
        is_new = digest not in seen
        seen.add(digest)
        return is_new

    def _fail(self, line: int, code: str, detail: str, picture: str | None = None) -> None:
        self._failed += 1
        if len(self.failures) < MOST_FAILURES:
            failure = PreviewFailure(line=line, picture=picture, code=code, detail=detail)
            self.failures.append(failure)


def _mapped(column: Column) -> MappedColumn:
    return MappedColumn(
        column=column.column,
        field=column.field,
        type=column.type,
        example=column.example,
        currency=column.currency,
    )


def _shown(row: Row, fate: Fate | None) -> PreviewProduct:
    return PreviewProduct(
        id=_printable(row.id),
        title=row.title,
        url=row.url,
        description=row.description,
        attributes=row.attributes,
        pictures=[
            PreviewPicture(
                name=_printable(name),
                found=None if fate is None or name in fate.unseen else name not in fate.missing,
            )
            for name in row.images
        ],
    )


def _printable(text: str) -> str:
    """Return a name of an archive in a form that JSON can hold."""
    return text.encode("utf-8", "replace").decode()


def _notes(reading: Reading, odd: Dict[str, Odd]) -> Iterator[str]:
    types = {each.column: each.type for each in reading.mapping.columns}
    for column, (count, line) in odd.items():
        values = "One value" if count == 1 else f"{count:,} values"
        stay = "stays" if count == 1 else "stay"
        yield (
            f"{values} of the column {column!r} cannot be read as {types[column]} and {stay} text; "
            f"the first is in line {line}."
        )
    if reading.survey.damaged:
        yield (
            f"A spreadsheet seems to have cut digits off {reading.survey.damaged:,} of the ids "
            "(4.00638E+12 was a longer code). Give the column the format 'text' and export it "
            "again."
        )


def sentence(problem: str) -> str:
    """Return a clause as a sentence."""
    return f"{problem[:1].upper()}{problem[1:]}."
