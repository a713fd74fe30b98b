"""Ledgers as files: all items as CSV or NDJSON, or the uploaded table with each row's fate."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from itertools import chain, islice

from flask import Response, stream_with_context

from visearch.contract import thumbnail_path
from visearch.errors import InvalidRequest, Overloaded
from visearch.importing.own_rows import own_rows
from visearch.records import Import, ImportItem
from visearch.tables.fates import safe
from web.api import schemas
from web.problems import public_detail
from web.services import services

BATCH = 2_000

Items = Callable[[int, int], list[ImportItem]]
"""Returns items after a number, at most so many."""


def item_model(item: ImportItem) -> schemas.Item:
    """Return the contract's form of an item."""
    shown = item.thumbnail if item.status == "searchable" else None
    return schemas.Item(
        **{name: value for name, value in asdict(item).items() if name != "thumbnail"}
        | {"detail": public_detail(item.code, item.detail)},
        image_url=thumbnail_path(shown) if shown else None,
    )


def whole(record: Import, media: str, items: Items) -> Response:
    """Send all items of an import as ``text/csv`` or ``application/x-ndjson``."""
    with ExitStack() as stack:
        _take_slot(stack)
        lines = _csv(_rows(items)) if media == "text/csv" else _ndjson(items)
        return _sent(lines, media, stack)


def own_table(record: Import, status: str | None, stage: str | None) -> Response:
    """Send the table that was uploaded, or its rows of a status, with fates as added columns.

    Raises:
        InvalidRequest: a stage is asked for, which a row does not have.
        Conflict: there is no such table.
        Gone: it is no longer kept.
    """
    if stage is not None:
        detail = "a stage is that of a picture, not of a row; leave it away with columns=own"
        raise InvalidRequest(detail, (("stage", detail),))
    with ExitStack() as stack:
        _take_slot(stack)
        rows = stack.enter_context(own_rows(services(), record, status))
        response = _sent(_csv([safe(cell) for cell in row] for row in rows), "text/csv", stack)
    name = f"{record.catalog}-import-{record.id}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _take_slot(stack: ExitStack) -> None:
    """Hold a slot until the end; so many clients may be reading that nobody else were served."""
    slots = services().downloads
    if not slots.acquire(blocking=False):
        detail = "As many ledgers are being downloaded as the server can send. Try again later."
        raise Overloaded(detail)
    stack.callback(slots.release)


def _sent(lines: Iterator[str], media: str, stack: ExitStack) -> Response:
    """Return the response that streams the lines; when it is over, so is what they are made of."""
    response = Response(stream_with_context(lines), mimetype=media)
    response.call_on_close(stack.pop_all().close)
    return response


def _batches(items: Items) -> Iterator[list[ImportItem]]:
    after = -1
    while batch := items(after, BATCH):
        yield batch
        after = batch[-1].item


def _rows(items: Items) -> Iterator[list[str]]:
    yield list(schemas.Item.model_fields)
    for item in chain.from_iterable(_batches(items)):
        values = item_model(item).model_dump(mode="json").values()
        yield ["" if value is None else safe(str(value)) for value in values]


def _csv(rows: Iterator[list[str]]) -> Iterator[str]:
    while batch := list(islice(rows, BATCH)):
        buffer = io.StringIO()
        csv.writer(buffer).writerows(batch)
        yield buffer.getvalue()


def _ndjson(items: Items) -> Iterator[str]:
    for batch in _batches(items):
        yield "".join(item_model(item).model_dump_json() + "\n" for item in batch)
