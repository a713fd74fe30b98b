"""Work that was given up, to be sent again: imports that failed on every try, failed reindexes."""

from __future__ import annotations

from flask import Response
from flask_openapi.blueprint import APIBlueprint
from pydantic import BaseModel

from visearch.errors import NotFound
from visearch.importing.retrying import retry
from visearch.records import Import
from visearch.store import imports, reindexes
from visearch.store.reindexes import Reindex
from web.api import schemas
from web.api.common import Page, any_of, decode_cursor, paged, problems, reply
from web.api.fields import Name
from web.api.imports import import_model
from web.api.reindexes import begin
from web.problems import public_detail
from web.services import services

api = APIBlueprint("dead", __name__, url_prefix="/v1/dead")


class DeadPath(BaseModel):
    """Names an import or a reindex of which work was given up."""

    id: Name


@api.get("", summary="List work given up", responses={200: schemas.DeadList, **problems(422)})
def list_dead(query: Page) -> Response:
    """Return the imports of which work was given up and the failed reindexes, newest first."""
    before, limit = decode_cursor(query.cursor), query.limit + 1
    with services().database.read() as connection:
        lost = imports.given_up(connection, before, limit)
        failed = reindexes.dead(connection, before, limit)
    found = [_dead_import(each) for each in lost]
    found += [_dead_reindex(catalog, each) for catalog, each in failed]
    found.sort(key=lambda each: each.id, reverse=True)
    page, cursor = paged(found, query.limit, lambda each: each.id)
    return reply(schemas.DeadList(items=page, next_cursor=cursor))


@api.post(
    "/<string:id>/retry",
    summary="Send work again that was given up",
    responses={202: any_of(schemas.Import, schemas.Reindex), **problems(404, 409, 410, 422)},
)
def retry_dead(path: DeadPath) -> Response:
    """Try what failed of the import again; or begin another reindex with the same encoder."""
    with services().database.read() as connection:
        lost = imports.given_up(connection, only=path.id)
        failed = reindexes.dead(connection, only=path.id)
    if lost:
        record = retry(services(), lost[0])
        return reply(import_model(record), 202, Location=_url(record))
    if failed:
        catalog, reindex = failed[0]
        # What an operator has said of the one that failed is not said of the next one.
        return begin(catalog, reindex.encoder, "auto" if reindex.activate == "auto" else "manual")
    raise NotFound(f"No work {path.id!r} was given up. GET /v1/dead lists what was.")


def _url(record: Import) -> str:
    return f"/v1/catalogs/{record.catalog}/imports/{record.id}"


def _dead_import(record: Import) -> schemas.Dead:
    return schemas.Dead(
        kind="import",
        id=record.id,
        catalog=record.catalog,
        pictures=record.given_up,
        code=record.error_code,
        detail=public_detail(record.error_code, record.error_detail),
        created_at=record.created_at,
        finished_at=record.finished_at,
        url=_url(record),
        retry=_retry(record.id),
    )


def _dead_reindex(catalog: str, reindex: Reindex) -> schemas.Dead:
    return schemas.Dead(
        kind="reindex",
        id=reindex.id,
        catalog=catalog,
        pictures=reindex.total - reindex.done + reindex.failed,
        code=reindex.error_code,
        detail=public_detail(reindex.error_code, reindex.error_detail),
        created_at=reindex.created_at,
        finished_at=reindex.finished_at,
        url=f"/v1/catalogs/{catalog}/reindex/{reindex.id}",
        retry=_retry(reindex.id),
    )


def _retry(name: str) -> str:
    return f"/v1/dead/{name}/retry"
