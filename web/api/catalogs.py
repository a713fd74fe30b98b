"""Catalogs: list, create, describe, delete."""

from __future__ import annotations

from flask import Response
from flask_openapi.blueprint import APIBlueprint
from pydantic import BaseModel, Field

from visearch import records
from visearch.errors import Conflict, NotFound
from visearch.fields import CATALOG_NAME
from visearch.importing.progress import remove_catalog
from visearch.store import catalogs, generations, products
from visearch.store.database import Connection
from web.api import schemas
from web.api.common import Page, decode_cursor, paged, problems, reply
from web.api.encoders import offered
from web.api.fields import Name
from web.services import services

api = APIBlueprint("catalogs", __name__, url_prefix="/v1/catalogs")


class CatalogPath(BaseModel):
    """Names a catalog."""

    catalog: Name


class NamedPath(CatalogPath):
    """Names something that a catalog has: a feed, a golden query."""

    name: Name


class NewNamedPath(CatalogPath):
    """Names such a thing as a catalog is named."""

    name: str = Field(pattern=f"^{CATALOG_NAME}$")


class NewCatalogPath(BaseModel):
    """Names a catalog that may not exist yet."""

    catalog: str


@api.get(
    "",
    summary="List catalogs",
    responses={200: schemas.CatalogList, **problems(422)},
)
def list_catalogs(query: Page) -> Response:
    """Return the catalogs by name."""
    with services().database.read() as connection:
        found = catalogs.page(connection, decode_cursor(query.cursor), query.limit + 1)
        page, cursor = paged(found, query.limit, lambda c: c.name)
        items = [_catalog(connection, catalog) for catalog in page]
    return reply(schemas.CatalogList(items=items, next_cursor=cursor))


@api.put(
    "/<string:catalog>",
    summary="Create or describe a catalog",
    responses={200: schemas.Catalog, 201: schemas.Catalog, **problems(409, 413, 422)},
)
def put_catalog(path: NewCatalogPath, body: schemas.CatalogSettings) -> Response:
    """Create the catalog, or change title or recall; the rest cannot change."""
    catalogs.check_name(path.catalog)
    with services().database.write() as connection:
        try:
            known = catalogs.get(connection, path.catalog)
        except NotFound:
            created = _create(connection, path.catalog, body)
            headers = {"Location": f"/v1/catalogs/{created.name}"}
            return reply(_catalog(connection, created), 201, **headers)
        _refuse_change(known, body)
        changes = body.model_dump(include={"title", "target_recall"}, exclude_none=True)
        if changes:
            catalogs.update(connection, known, **changes)
        return reply(_catalog(connection, catalogs.get(connection, path.catalog)))


def _create(connection: Connection, name: str, body: schemas.CatalogSettings) -> records.Catalog:
    encoder, spec = offered(body.encoder)
    return catalogs.create(
        connection,
        name,
        title=body.title or name,
        metric=body.metric or "cosine",
        encoder=encoder,
        fingerprint=spec.fingerprint,
        dimension=spec.dimension,
        target_recall=body.target_recall or records.TARGET_RECALL,
        shards=body.shards or 1,
    )


def _refuse_change(known: records.Catalog, body: schemas.CatalogSettings) -> None:
    for field in ("metric", "encoder", "shards"):
        wanted, has = getattr(body, field), getattr(known, field)
        if wanted is not None and wanted != has:
            raise Conflict(
                f"Catalog {known.name!r} has {field} {has!r}, which cannot change. "
                "Make another catalog."
            )


@api.get(
    "/<string:catalog>",
    summary="Read a catalog",
    responses={200: schemas.Catalog, **problems(404)},
)
def get_catalog(path: CatalogPath) -> Response:
    """Return one catalog with its counts."""
    with services().database.read() as connection:
        return reply(_catalog(connection, catalogs.get(connection, path.catalog)))


@api.delete("/<string:catalog>", summary="Delete a catalog", responses={204: None, **problems(404)})
def delete_catalog(path: CatalogPath) -> Response:
    """Delete the catalog with all its products."""
    remove_catalog(services(), path.catalog)
    return Response(status=204)


@api.post(
    "/<string:catalog>/index/rollback",
    summary="Go back to the former index",
    responses={200: schemas.Catalog, **problems(404, 409)},
)
def roll_back_index(path: CatalogPath) -> Response:
    """Search with the index generation before this one; what changed since is replayed."""
    with services().database.write() as connection:
        catalog = catalogs.get(connection, path.catalog)
        catalogs.publish_generation(connection, catalog, generations.former(connection, catalog))
        shown = _catalog(connection, catalogs.get(connection, path.catalog))
    services().announce(catalog.pk)
    return reply(shown, Location=f"/v1/catalogs/{catalog.name}")


def _catalog(connection: Connection, catalog: records.Catalog) -> schemas.Catalog:
    n_products, n_images = products.count(connection, catalog.pk)
    return schemas.Catalog(
        name=catalog.name,
        title=catalog.title,
        metric=catalog.metric,
        encoder=catalog.encoder,
        fingerprint=catalog.fingerprint,
        target_recall=catalog.target_recall,
        shards=catalog.shards,
        created_at=catalog.created_at,
        products=n_products,
        images=n_images,
        index=_generation(connection, catalog),
    )


def _generation(connection: Connection, catalog: records.Catalog) -> schemas.Generation | None:
    found = generations.current(connection, catalog)
    if found is None:
        return None
    return schemas.Generation(
        id=found.id,
        count=found.count,
        recall=found.recall,
        target_recall=found.target_recall,
        created_at=found.created_at,
    )
