"""Imports: upload an archive or a table, watch its progress, read every item's fate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Any, Literal

from flask import Response, request
from flask_openapi.blueprint import APIBlueprint
from pydantic import Field

from visearch import records
from visearch.importing.accept import accept_file
from visearch.importing.progress import cancel
from visearch.importing.retrying import retry
from visearch.importing.uploads import accept_upload
from visearch.records import Import, ImportItem, now
from visearch.store import catalogs, imports, ledger
from web.api import ledger_files, schemas
from web.api.catalogs import CatalogPath
from web.api.common import (
    Page,
    decode_cursor,
    decode_number_cursor,
    paged,
    problems,
    reply,
    request_id,
)
from web.api.events import EVENTS, News, Wait, stream
from web.api.fields import Name
from web.api.previews import preview
from web.api.uploads import TABLES, SentFile, choices_without_file
from web.idempotency import resource_id
from web.problems import kept_problem
from web.services import services

api = APIBlueprint("imports", __name__, url_prefix="/v1/catalogs/<string:catalog>/imports")

_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_UPLOAD: dict[str, Any] = {
    "required": False,
    "description": "Not with `upload`; then at most a form with a `mapping`.",
    "content": {
        "application/zip": _BINARY,
        "application/x-tar": _BINARY,
        **dict.fromkeys(TABLES, _BINARY),
        **dict.fromkeys(("application/gzip", "application/x-xz", "application/zstd"), _BINARY),
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "file": {"type": "string", "format": "binary"},
                    "mapping": {
                        "type": "string",
                        "description": "JSON: the field of each column, or its field and type.",
                        "examples": ['{"Artikelnr": "id", "Breite": {"type": "text"}}'],
                    },
                },
            }
        },
    },
}


class ImportPath(CatalogPath):
    """Names an import."""

    import_id: Name


class UploadQuery(schemas.Request):
    """``replace`` removes the products that the file does not name, at most the share ``guard``.

    With ``dry_run``, nothing is imported. ``upload`` names a file that was sent with such a request
    before.
    """

    mode: Literal["upsert", "replace"] = "upsert"
    dry_run: bool = False
    guard: float | None = Field(None, ge=0, le=1)
    upload: str | None = Field(None, max_length=64)


class ImportsQuery(Page):
    """A page of imports: of uploaded files, or of products that were put one by one."""

    kind: imports.Kind = "file"


class ItemsQuery(schemas.Request):
    """Selects rows of the ledger; or with ``columns=own``, of the uploaded table."""

    status: Literal["pending", "searchable", "failed"] | None = None
    stage: Literal["fetch", "decode", "embed", "index"] | None = None
    columns: Literal["own"] | None = None
    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = None


@api.post(
    "",
    summary="Upload a catalog file, or see what its import would do",
    request_body=_UPLOAD,
    responses={200: schemas.Preview, 202: schemas.Import, **problems(404, 409, 410, 413, 415, 422)},
)
def create_import(path: CatalogPath, query: UploadQuery) -> Response:
    """Store the file and accept it; its items become searchable in the background.

    It is an archive of pictures (zip or tar), with or without a table of its products, or such a
    table by itself, which names pictures by URL (CSV, TSV, XLSX, JSON, NDJSON or XML). A tar or a
    table may be compressed with gzip, xz or zstd. What the file is called decides only where its
    content does not.

    A dry run answers 200 with a preview, and changes nothing of the catalog.
    """
    if query.dry_run:
        return preview(path.catalog, query.upload, query.mode, query.guard)
    common: Any = {"mode": query.mode, "request_id": request_id(), "import_id": resource_id()}
    if query.upload is None:
        file = SentFile()
        record = accept_file(
            services(),
            path.catalog,
            file.pieces,
            name=file.name,
            guard=query.guard,
            choices=file.choices,
            **common,
        )
    else:
        choices = choices_without_file()
        record = accept_upload(
            services(), path.catalog, query.upload, guard=query.guard, choices=choices, **common
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
    responses={200: schemas.ItemList, **problems(404, 409, 410, 422)},
)
def list_items(path: ImportPath, query: ItemsQuery) -> Response:
    """Return items as JSON pages, or all as CSV or NDJSON by the ``Accept`` header.

    ``?columns=own`` returns the uploaded table itself as CSV, with each row's fate.
    """
    record = _find(path)
    if query.columns == "own":
        return ledger_files.own_table(record, query.status, query.stage)
    accepted = request.accept_mimetypes.best_match(
        ["application/json", "text/csv", "application/x-ndjson"], "application/json"
    )
    if accepted != "application/json":
        return ledger_files.whole(record, accepted, partial(_items, record, query))
    found = _items(record, query, decode_number_cursor(query.cursor), query.limit + 1)
    page, cursor = paged(found, query.limit, lambda item: str(item.item))
    items = [ledger_files.item_model(item) for item in page]
    return reply(schemas.ItemList(items=items, next_cursor=cursor))


def _items(record: Import, query: ItemsQuery, after: int, limit: int) -> list[ImportItem]:
    with services().database.read() as connection:
        return ledger.items(
            connection, record, after=after, limit=limit, status=query.status, stage=query.stage
        )


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
        error=kept_problem(
            record.error_code,
            record.error_detail,
            f"/v1/catalogs/{record.catalog}/imports/{record.id}",
        ),
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
