"""Reindexes: another encoder for a catalog without downtime, and the way back."""

from __future__ import annotations

from dataclasses import asdict

from flask import Response
from flask_openapi.blueprint import APIBlueprint

from visearch import records
from visearch.errors import Conflict
from visearch.store import catalogs, embeddings, reindexes
from visearch.store.reindexes import FORMER, READY, Activate, Reindex
from web.api import schemas
from web.api.catalogs import CatalogPath
from web.api.common import Page, decode_number_cursor, paged, problems, reply
from web.api.encoders import offered
from web.api.fields import Name
from web.idempotency import resource_id
from web.problems import public_detail
from web.services import services

api = APIBlueprint("reindexes", __name__, url_prefix="/v1/catalogs/<string:catalog>")


class ReindexPath(CatalogPath):
    """Names a reindex."""

    id: Name


@api.post(
    "/reindex",
    summary="Begin a reindex",
    responses={202: schemas.Reindex, **problems(404, 409, 413, 422)},
)
def create_reindex(path: CatalogPath, body: schemas.NewReindex) -> Response:
    """Embed the catalog's pictures with another encoder in the background."""
    return begin(path.catalog, body.encoder, body.activate)


@api.get(
    "/reindex",
    summary="List the reindexes of a catalog",
    responses={200: schemas.ReindexList, **problems(404)},
)
def list_reindexes(path: CatalogPath) -> Response:
    """Return those under way, one that has failed, and the way back, oldest first."""
    with services().database.read() as connection:
        catalog = catalogs.get(connection, path.catalog)
        found = reindexes.standing(connection, catalog)
    items = [_shown(catalog, reindex) for reindex in found]
    return reply(schemas.ReindexList(items=items))


def begin(name: str, encoder: str | None, activate: Activate) -> Response:
    """Begin a reindex of the catalog ``name`` and answer with it."""
    encoder, spec = offered(encoder)
    with services().database.write() as connection:
        catalog = catalogs.get(connection, name)
        reindex = reindexes.create(
            connection,
            catalog,
            name=resource_id(),
            encoder=encoder,
            fingerprint=spec.fingerprint,
            dimension=spec.dimension,
            activate=activate,
        )
    return _accepted(catalog, reindex)


@api.get(
    "/reindex/<string:id>",
    summary="Read a reindex",
    responses={200: schemas.Reindex, **problems(404)},
)
def get_reindex(path: ReindexPath) -> Response:
    """Return a reindex, its progress and how the two encoders compare."""
    with services().database.read() as connection:
        catalog = catalogs.get(connection, path.catalog)
        return reply(_shown(catalog, reindexes.get(connection, catalog, path.id)))


@api.get(
    "/reindex/<string:id>/failures",
    summary="List the pictures that a reindex has no vector of",
    responses={200: schemas.ReindexFailureList, **problems(404, 422)},
)
def list_reindex_failures(path: ReindexPath, query: Page) -> Response:
    """Return each live picture that is lost, or that the new encoder cannot embed, and why."""
    after = decode_number_cursor(query.cursor)
    with services().database.read() as connection:
        catalog = catalogs.get(connection, path.catalog)
        reindex = reindexes.get(connection, catalog, path.id)
        found = embeddings.failures(
            connection, catalog.pk, reindex.fingerprint, after=after, limit=query.limit + 1
        )
    page, cursor = paged(found, query.limit, lambda each: str(each.pk))
    items = [
        schemas.ReindexFailure(
            image_id=each.image_id, product_id=each.product_id, code=each.code, detail=each.detail
        )
        for each in page
    ]
    return reply(schemas.ReindexFailureList(items=items, next_cursor=cursor))


@api.delete(
    "/reindex/<string:id>",
    summary="Cancel a reindex",
    responses={204: None, **problems(404, 409)},
)
def delete_reindex(path: ReindexPath) -> Response:
    """Give up a reindex that is not active, or has failed; what it has embedded is purged."""
    with services().database.write() as connection:
        catalog = catalogs.get(connection, path.catalog)
        reindex = reindexes.get(connection, catalog, path.id)
        if not reindexes.give_up(connection, reindex):
            raise Conflict(f"Reindex {reindex.id} is {reindex.status} and cannot be cancelled.")
    return Response(status=204)


@api.post(
    "/reindex/<string:id>/activate",
    summary="Activate a reindex",
    responses={202: schemas.Reindex, **problems(404, 409)},
)
def activate_reindex(path: ReindexPath) -> Response:
    """Search with the new encoder from now on; the former one is kept up for a rollback."""
    with services().database.read() as connection:
        catalog = catalogs.get(connection, path.catalog)
        reindex = reindexes.get(connection, catalog, path.id)
    reindexes.check_ready(reindex)
    return _use(catalog, reindex)


@api.post(
    "/rollback",
    summary="Go back to the former encoder",
    responses={202: schemas.Reindex, **problems(404, 409)},
)
def rollback(path: CatalogPath) -> Response:
    """Search with the encoder before this one; the way forward is kept up in turn."""
    with services().database.read() as connection:
        catalog = catalogs.get(connection, path.catalog)
        reindex = reindexes.former(connection, catalog)
    return _use(catalog, reindex)


def _use(catalog: records.Catalog, reindex: Reindex) -> Response:
    """Activate at once, or leave it to a worker that first embeds what came in just now."""
    with services().database.write() as connection:
        activated = reindexes.activate(connection, catalog, reindex)
        if not activated:
            reindexes.change(connection, reindex, activate="now")
    if activated:
        services().announce(catalog.pk)
    with services().database.read() as connection:
        return _accepted(catalog, reindexes.get(connection, catalog, reindex.id))


def _accepted(catalog: records.Catalog, reindex: Reindex) -> Response:
    where = f"/v1/catalogs/{catalog.name}/reindex/{reindex.id}"
    return reply(_shown(catalog, reindex), 202, Location=where)


def _shown(catalog: records.Catalog, reindex: Reindex) -> schemas.Reindex:
    more = {
        "catalog": catalog.name,
        "ready": reindex.status in (READY, FORMER),
        "counts": {
            "images": reindex.total,
            "embedded": reindex.done - reindex.failed,
            "failed": reindex.failed,
        },
        "progress": reindex.done / reindex.total if reindex.total else 1.0,
        "code": reindex.error_code,
        "detail": public_detail(reindex.error_code, reindex.error_detail),
    }
    return schemas.Reindex.model_validate(asdict(reindex) | more)
