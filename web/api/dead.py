"""Work that was given up: imports whose pictures failed on every try, to be sent again."""

from __future__ import annotations

from flask import Response
from flask_openapi.blueprint import APIBlueprint
from pydantic import BaseModel

from visearch.errors import NotFound
from visearch.importing.retrying import retry
from visearch.records import Import
from visearch.store import imports
from web.api import schemas
from web.api.common import Page, decode_cursor, paged, problems, reply
from web.api.imports import import_model
from web.services import services

api = APIBlueprint("dead", __name__, url_prefix="/v1/dead")


class DeadPath(BaseModel):
    """Names an import of which work was given up."""

    id: str


@api.get("", summary="List work given up", responses={200: schemas.DeadList, **problems(422)})
def list_dead(query: Page) -> Response:
    """Return the imports of which work was given up, newest first."""
    with services().database.read() as connection:
        found = imports.given_up(connection, decode_cursor(query.cursor), query.limit + 1)
    page, cursor = paged(found, query.limit, lambda i: i.id)
    return reply(schemas.DeadList(items=[_dead(record) for record in page], next_cursor=cursor))


@api.post(
    "/<string:id>/retry",
    summary="Send work again that was given up",
    responses={202: schemas.Import, **problems(404, 409, 410)},
)
def retry_dead(path: DeadPath) -> Response:
    """Try what failed of the import again."""
    with services().database.read() as connection:
        record = imports.by_id(connection, path.id)
    if not _is_dead(record):
        raise NotFound(f"No work of an import {path.id!r} was given up.")
    location = f"/v1/catalogs/{record.catalog}/imports/{record.id}"
    return reply(import_model(retry(services(), record)), 202, Location=location)


def _is_dead(record: Import) -> bool:
    return record.given_up > 0 or record.error_code in imports.GIVEN_UP


def _dead(record: Import) -> schemas.Dead:
    return schemas.Dead(
        id=record.id,
        catalog=record.catalog,
        pictures=record.given_up,
        code=record.error_code,
        detail=record.error_detail,
        created_at=record.created_at,
        finished_at=record.finished_at,
    )
