"""Imports: upload an archive, watch its progress, read every item's fate."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Literal

from flask import Response, request, stream_with_context
from flask_openapi.blueprint import APIBlueprint
from pydantic import Field

from visearch import records
from visearch.errors import Overloaded
from visearch.importing.accept import accept_file
from visearch.importing.progress import cancel
from visearch.importing.retrying import retry
from visearch.records import Import, ImportItem, now
from visearch.store import catalogs, imports, ledger
from web.api import schemas
from web.api.catalogs import CatalogPath
from web.api.common import (
    Page,
    decode_cursor,
    decode_number_cursor,
    paged,
    problems,
    reply,
    request_id,
    upload_stream,
)
from web.api.events import EVENTS, News, Wait, stream
from web.api.fields import Name
from web.idempotency import resource_id
from web.problems import problem, public_detail, status_of
from web.services import services

api = APIBlueprint("imports", __name__, url_prefix="/v1/catalogs/<string:catalog>/imports")

EXPORT_BATCH = 2_000
_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_UPLOAD: dict[str, Any] = {
    "required": True,
    "content": {
        "application/zip": _BINARY,
        "application/x-tar": _BINARY,
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": {"type": "string", "format": "binary"}},
            }
        },
    },
}


class ImportPath(CatalogPath):
    """Names an import."""

    import_id: Name


class UploadQuery(schemas.Request):
    """``replace`` removes the products that the file does not name."""

    mode: Literal["upsert", "replace"] = "upsert"


class ImportsQuery(Page):
    """A page of imports: of uploaded files, or of products that were put one by one."""

    kind: imports.Kind = "file"


class ItemsQuery(schemas.Request):
    """Selects rows of the ledger."""

    status: Literal["pending", "searchable", "failed"] | None = None
    stage: Literal["fetch", "decode", "embed", "index"] | None = None
    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = None


@api.post(
    "",
    summary="Upload a catalog file",
    request_body=_UPLOAD,
    responses={202: schemas.Import, **problems(404, 413, 415, 422)},
)
def create_import(path: CatalogPath, query: UploadQuery) -> Response:
    """Store the file and accept it; its items become searchable in the background."""
    record = accept_file(
        services(),
        path.catalog,
        upload_stream(),
        mode=query.mode,
        request_id=request_id(),
        import_id=resource_id(),
    )
    services().flush()
    location = f"/v1/catalogs/{path.catalog}/imports/{record.id}"
    return reply(import_model(record), 202, Location=location)


@api.get("", summary="List imports", responses={200: schemas.ImportList, **problems(404, 422)})
def list_imports(path: CatalogPath, query: ImportsQuery) -> Response:
    """Return the catalog's imports of files, newest first; ``?kind=product`` lists the others."""
    with services().database.read() as connection:
        catalog = catalogs.get(connection, path.catalog)
        before = decode_cursor(query.cursor)
        found = imports.page(connection, catalog, query.kind, before, query.limit + 1)
    page, cursor = paged(found, query.limit, lambda i: i.id)
    items = [import_model(record) for record in page]
    return reply(schemas.ImportList(items=items, next_cursor=cursor))


def _find(path: ImportPath) -> Import:
    with services().database.read() as connection:
        catalog = catalogs.get(connection, path.catalog)
        return imports.get(connection, catalog, path.import_id)


@api.get(
    "/<string:import_id>",
    summary="Read an import",
    responses={200: schemas.Import, **problems(404)},
)
def get_import(path: ImportPath) -> Response:
    """Return the import's status, counts and progress."""
    return reply(import_model(_find(path)))


@api.delete(
    "/<string:import_id>",
    summary="Cancel an import",
    responses={200: schemas.Import, **problems(404)},
)
def cancel_import(path: ImportPath) -> Response:
    """Cancel the import if it is not over; what is already searchable stays."""
    found = _find(path)
    with services().database.write() as connection:
        cancel(connection, found)
    return reply(import_model(_find(path)))


@api.get(
    "/<string:import_id>/events",
    summary="Follow an import",
    responses={200: EVENTS, **problems(404)},
)
def follow_import(path: ImportPath) -> Response:
    """Send ``progress`` with the import whenever it changes, and ``done`` at its end."""
    catalog_pk = _find(path).catalog_pk

    def look() -> News:
        record = _find(path)
        over = record.finished_at is not None
        shown = import_model(record)
        steady = shown.model_copy(update={"eta_s": None})  # the estimate changes all the time
        return News(
            "done" if over else "progress",
            shown.model_dump_json(),
            over,
            steady.model_dump_json(),
        )

    return stream(look, _changes(catalog_pk))


@contextmanager
def _changes(catalog_pk: int) -> Iterator[Wait]:
    """Yield a way to wait for a change of the catalog."""
    with services().changes.listen(str(catalog_pk)) as rung:

        def wait(seconds: float) -> None:
            rung.wait(seconds)
            rung.clear()

        yield wait


@api.post(
    "/<string:import_id>/retry",
    summary="Retry what failed",
    responses={202: schemas.Import, **problems(404, 409, 410)},
)
def retry_import(path: ImportPath) -> Response:
    """Try the pictures that failed again; those that are searchable are left alone."""
    record = retry(services(), _find(path))
    location = f"/v1/catalogs/{path.catalog}/imports/{record.id}"
    return reply(import_model(record), 202, Location=location)


@api.get(
    "/<string:import_id>/items",
    summary="Read the ledger",
    responses={200: schemas.ItemList, **problems(404, 422)},
)
def list_items(path: ImportPath, query: ItemsQuery) -> Response:
    """Return items as JSON pages, or all as CSV or NDJSON by the ``Accept`` header."""
    record = _find(path)
    accepted = request.accept_mimetypes.best_match(
        ["application/json", "text/csv", "application/x-ndjson"], "application/json"
    )
    if accepted == "text/csv":
        return _download(_csv(record, query), accepted)
    if accepted == "application/x-ndjson":
        return _download(_ndjson(record, query), accepted)
    found = _items(record, query, decode_number_cursor(query.cursor), query.limit + 1)
    page, cursor = paged(found, query.limit, lambda item: str(item.item))
    items = [_item(item) for item in page]
    return reply(schemas.ItemList(items=items, next_cursor=cursor))


def _item(item: ImportItem) -> schemas.Item:
    return schemas.Item(**asdict(item) | {"detail": public_detail(item.code, item.detail)})


def _download(lines: Iterator[str], media: str) -> Response:
    """Stream the lines, unless so many clients are reading that nobody else would be served."""
    slots = services().downloads
    if not slots.acquire(blocking=False):
        detail = "As many ledgers are being downloaded as the server can send. Try again later."
        raise Overloaded(detail)
    response = Response(stream_with_context(lines), mimetype=media)
    response.call_on_close(slots.release)
    return response


def _items(record: Import, query: ItemsQuery, after: int, limit: int) -> list[ImportItem]:
    with services().database.read() as connection:
        return ledger.items(
            connection,
            record,
            after=after,
            limit=limit,
            status=query.status,
            stage=query.stage,
        )


def _export(record: Import, query: ItemsQuery) -> Iterator[list[ImportItem]]:
    after = -1
    while batch := _items(record, query, after, EXPORT_BATCH):
        yield batch
        after = batch[-1].item


def _csv(record: Import, query: ItemsQuery) -> Iterator[str]:
    yield ",".join(schemas.Item.model_fields) + "\r\n"
    for batch in _export(record, query):
        buffer = io.StringIO()
        csv.writer(buffer).writerows([_spreadsheet_safe(item) for item in batch])
        yield buffer.getvalue()


def _spreadsheet_safe(item: ImportItem) -> list[Any]:
    """A cell that starts like a formula must not become one in the merchant's spreadsheet."""
    return [
        f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value
        for value in _item(item).model_dump().values()
    ]


def _ndjson(record: Import, query: ItemsQuery) -> Iterator[str]:
    for batch in _export(record, query):
        yield "".join(_item(item).model_dump_json() + "\n" for item in batch)


def import_model(record: records.Import) -> schemas.Import:
    """Return the contract's form of an import."""
    counts, done = record.counts, record.counts.searchable + record.counts.failed
    over = record.finished_at is not None
    progress = 1.0 if over else done / counts.items if counts.items else 0.0
    return schemas.Import(
        id=record.id,
        catalog=record.catalog,
        status=record.status,  # type: ignore[arg-type]  # checked by pydantic
        mode=record.mode,
        counts=schemas.Counts(**asdict(counts)),
        progress=round(progress, 4),
        eta_s=_eta(record, progress),
        waiting=_waiting(record),
        created_at=record.created_at,
        finished_at=record.finished_at,
        error=_error(record),
    )


def _waiting(record: records.Import) -> schemas.Waiting | None:
    if record.waiting_for is None or record.waiting_since is None:
        return None
    return schemas.Waiting(dependency=record.waiting_for, since=record.waiting_since)


def _eta(record: records.Import, progress: float) -> float | None:
    if record.finished_at is not None or progress <= 0:
        return None
    spent = (now() - record.created_at).total_seconds()
    return round(spent * (1 - progress) / progress, 1)


def _error(record: records.Import) -> schemas.Problem | None:
    if not record.error_code:
        return None
    status, detail = status_of(record.error_code), record.error_detail or ""
    body = problem(status, record.error_code, detail)
    instance = f"/v1/catalogs/{record.catalog}/imports/{record.id}"
    return schemas.Problem.model_validate({**body, "instance": instance})
