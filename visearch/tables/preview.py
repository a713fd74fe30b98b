"""What an import would do, before it does anything: the answer of ``?dry_run=true``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as Dict
from itertools import islice
from typing import Literal, NamedTuple, get_args

from pydantic import BaseModel

from visearch.tables.formats.form import Odd
from visearch.tables.headings import Field
from visearch.tables.mapping import Column
from visearch.tables.products import Reading, products
from visearch.tables.row import Row
from visearch.tables.survey import Digest, digest_of
from visearch.tables.values import Type

FIRST_PRODUCTS = 20
MOST_FAILURES = 1000
"""Failures that a preview lists; ``counts.failed`` counts them all."""

_BATCH = 500
INVALID = "invalid_manifest_row"
"""The code of a row whose problem has none of its own."""


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
    attributes: dict[str, str | float | bool | list[str]]
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
    """A row, or a picture of one, that would fail."""

    line: int
    code: str
    detail: str


class Preview(BaseModel):
    """The whole answer. ``ignored`` names files of an archive that are no part of the catalog."""

    format: str
    encoding: str | None
    delimiter: str | None
    mapping: list[MappedColumn]
    products: list[PreviewProduct]
    counts: PreviewCounts
    failures: list[PreviewFailure]
    ignored: list[str] = []
    notes: list[str] = []


Change = Literal["add", "change", "unchanged"]
CHANGES: tuple[Change, ...] = get_args(Change)


class Fate(NamedTuple):
    """What would become of a product.

    ``missing`` holds, for pictures that cannot be used, a code and a sentence.
    """

    change: Change
    missing: Dict[str, tuple[str, str]]


Judge = Callable[[Sequence[Row]], Sequence[Fate]]
"""Says, for rows without a problem, what would become of each: it knows the archive and the store.

A product whose records are far apart may come in several rows, and is judged in each.
"""


def preview(reading: Reading, judge: Judge | None = None) -> Preview:
    """Read a table to its end and tell what it holds; memory does not grow with it.

    Args:
        reading: as ``products.read`` returned it.
        judge: without it, nothing is said of pictures found and products changed.

    ``ignored`` and ``counts.remove`` are for the caller to fill in.
    """
    form = reading.form()
    description = reading.table.description
    counter = _Counter(reading, judged=judge is not None)
    rows = products(reading, form)
    while batch := list(islice(rows, _BATCH)):
        good = [row for row in batch if row.problem is None]
        fates = iter(judge(good)) if judge is not None else None
        for row in batch:
            if row.problem is not None:
                counter.refuse(row)
            else:
                counter.take(row, None if fates is None else next(fates))
    return Preview(
        format=reading.format.name,
        encoding=description.encoding,
        delimiter=description.delimiter,
        mapping=[_mapped(column) for column in reading.mapping.columns],
        products=counter.products,
        counts=counter.counts(),
        failures=counter.failures,
        notes=[*description.notes, *_notes(reading, form.odd)],
    )


class _Counter:
    """Adds up what the rows say."""

    def __init__(self, reading: Reading, *, judged: bool) -> None:
        self.products: list[PreviewProduct] = []
        self.failures: list[PreviewFailure] = []
        self._rows = reading.survey.rows
        self._products = self._pictures = self._failed = 0
        self._changes: dict[str, int] | None = dict.fromkeys(CHANGES, 0) if judged else None
        self._scattered = reading.survey.scattered
        self._seen: set[Digest] = set()

    def counts(self) -> PreviewCounts:
        return PreviewCounts(
            rows=self._rows,
            products=self._products,
            pictures=self._pictures,
            failed=self._failed,
            **(self._changes or {}),
        )

    def refuse(self, row: Row) -> None:
        self._fail(row.line, row.code or INVALID, _sentence(row.problem or ""))

    def take(self, row: Row, fate: Fate | None) -> None:
        self._pictures += len(row.images)
        if self._is_new(row):
            self._products += 1
            if fate is not None and self._changes is not None:
                self._changes[fate.change] += 1
            if len(self.products) < FIRST_PRODUCTS:
                self.products.append(_shown(row, fate))
        for place, name in enumerate(row.images):
            if fate is not None and name in fate.missing:
                self._fail(row.line_of(place), *fate.missing[name])

    def _is_new(self, row: Row) -> bool:
        if not self._scattered or (digest := digest_of(row.id)) not in self._scattered:
            return True
        if digest in self._seen:
            return False
        self._seen.add(digest)
        return True

    def _fail(self, line: int, code: str, detail: str) -> None:
        self._failed += 1
        if len(self.failures) < MOST_FAILURES:
            self.failures.append(PreviewFailure(line=line, code=code, detail=detail))


def _mapped(column: Column) -> MappedColumn:
    return MappedColumn(
        column=column.column,
        field=column.field,
        type=column.type,
        example=column.example,
        currency=column.currency,
    )


def _shown(row: Row, fate: Fate | None) -> PreviewProduct:
    missing = {} if fate is None else fate.missing
    return PreviewProduct(
        id=row.id,
        title=row.title,
        url=row.url,
        description=row.description,
        attributes=row.attributes,
        pictures=[
            PreviewPicture(name=name, found=None if fate is None else name not in missing)
            for name in row.images
        ],
    )


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


def _sentence(problem: str) -> str:
    return f"{problem[:1].upper()}{problem[1:]}."
