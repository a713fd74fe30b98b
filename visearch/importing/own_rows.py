"""The rows of an import's own table, each with its fate: what to correct, and to upload again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

from visearch.archives import Contents
from visearch.backend import Backend
from visearch.errors import (
    ArchiveError,
    BlobDamaged,
    Conflict,
    Gone,
    InvalidRequest,
    NotFound,
)
from visearch.importing.planning import archive_media
from visearch.importing.retrying import NOT_KEPT
from visearch.records import Import
from visearch.rules import id_problem
from visearch.store import fates, mappings
from visearch.store.fates import Fate
from visearch.store.imports import PRODUCTS
from visearch.store.ledger import reason_of_end
from visearch.tables.fates import FATES, cell_text
from visearch.tables.formats.form import Piece
from visearch.tables.products import Reading
from visearch.tables.row import INVALID
from visearch.tables.table import Record

BATCH = 500

_NO_TABLE = "The import has no table of its own: {why}. Download the ledger without columns=own."


class _Told(NamedTuple):
    """What the added columns say."""

    fate: str
    code: str = ""
    reason: str = ""


@contextmanager
def own_rows(
    backend: Backend, record: Import, status: str | None = None
) -> Iterator[Iterator[list[str]]]:
    """Open the table of an import; yields its headings and its rows, and the fates after each.

    All rows of a product tell its fate: ``searchable``, ``partial`` (some of its pictures failed),
    ``failed`` or ``pending``. With a status, only such rows come; partial ones are failed ones.
    They come with all that belongs to their product, for that is what has to be uploaded.

    Raises:
        Conflict: the import has no table, or none that can be read.
        Gone: what was uploaded is no longer kept.
    """
    if record.media == PRODUCTS:
        raise Conflict(_NO_TABLE.format(why="it is of a product that was sent by itself"))
    if not record.source:
        raise Gone(NOT_KEPT)
    try:
        file = backend.blobs.open(record.source)
    except NotFound as error:
        raise Gone(NOT_KEPT) from error
    with backend.database.read() as connection:
        known = mappings.of_import(connection, record.pk)
    with file:
        media, most = archive_media(record.media), backend.settings.max_import_items
        try:
            contents = Contents(file, media, max_items=most, known=known, name=record.source)
            reading = contents.reading
        except (ArchiveError, BlobDamaged, InvalidRequest) as error:
            why = "what was uploaded cannot be read as one"
            raise Conflict(_NO_TABLE.format(why=why)) from error
        if reading is None:
            raise Conflict(_NO_TABLE.format(why="what was uploaded holds pictures only"))
        yield _rows(_Table(backend, record, reading, contents.where), status)


class _Table(NamedTuple):
    """The table of an import; ``where`` names a line of it as the ledger does."""

    backend: Backend
    record: Import
    reading: Reading
    where: Callable[[int], str]


def _rows(table: _Table, status: str | None) -> Iterator[list[str]]:
    headings = table.reading.table.headings
    yield [*headings, *FATES]
    records = table.reading.table.records()
    while batch := list(islice(records, BATCH)):
        for row, told in zip(batch, _told(table, batch), strict=True):
            if status is None or ("failed" if told.fate == "partial" else told.fate) == status:
                yield [*(cell_text(row.cells.get(heading)) for heading in headings), *told]


def _told(table: _Table, batch: list[Record]) -> list[_Told]:
    form = table.reading.form()
    pieces = [form.piece(row) for row in batch]
    ids = {piece.id for piece in pieces if piece.id}
    with table.backend.database.read() as connection:
        found = fates.of_products(connection, table.record, ids)
    return [_of_piece(table, piece, found.get(piece.id)) for piece in pieces]


def _of_piece(table: _Table, piece: Piece, fate: Fate | None) -> _Told:
    """Tell of a row that cannot be read, or is of no product, as the ledger does."""
    if problem := piece.problem or id_problem(piece.id):
        code = INVALID if piece.problem else "invalid_product_id"
        return _Told("failed", code, f"{table.where(piece.line)}: {problem}.")
    return _of_product(table.record, fate)


def _of_product(record: Import, fate: Fate | None) -> _Told:
    if fate is None:
        ended = record.status in ("cancelled", "failed")
        return _Told("failed", *reason_of_end(record)) if ended else _Told("pending")
    failed, total = fate.statuses["failed"], sum(fate.statuses.values())
    if not failed:
        return _Told("pending" if fate.statuses["pending"] else "searchable")
    codes = " ".join(dict.fromkeys(code for _, code, _ in fate.failures))
    if total == 1:
        return _Told("failed", codes, fate.failures[0][2])
    reasons = [f"{path}: {detail}" for path, _, detail in fate.failures]
    if failed > len(reasons):
        reasons.append(f"And {failed - len(reasons)} more of its pictures.")
    return _Told("failed" if failed == total else "partial", codes, " ".join(reasons))
