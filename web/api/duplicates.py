"""Near-duplicates: pictures of different products that look the same; such products merged."""

from __future__ import annotations

import math
from urllib.parse import quote

from flask import Response
from flask_openapi.blueprint import APIBlueprint
from pydantic import Field

from visearch.searches import Hit
from visearch.store import catalogs, duplicates, merging
from web.api import schemas
from web.api.catalogs import CatalogPath
from web.api.common import Page, bad_cursor, decode_cursor, paged, problems, reply
from web.api.products import product_model
from web.services import services

api = APIBlueprint("duplicates", __name__, url_prefix="/v1/catalogs/<string:catalog>/duplicates")


class DuplicateQuery(Page):
    """A page of the pairs with at least this score."""

    min_score: float = Field(0.97, ge=duplicates.LEAST_SCORE, le=1)


@api.get(
    "",
    summary="List near-duplicates",
    responses={200: schemas.DuplicateList, **problems(404, 422)},
)
def list_duplicates(path: CatalogPath, query: DuplicateQuery) -> Response:
    """Return pairs of pictures of different products, best first."""
    after = _checked(decode_cursor(query.cursor))
    with services().database.read() as connection:
        catalog = catalogs.get(connection, path.catalog)
        complete = duplicates.compared(connection, catalog) >= catalog.revision
        found = duplicates.page(connection, catalog, query.min_score, after, query.limit + 1)
    page, cursor = paged(found, query.limit, lambda pair: pair.key)
    items = [
        schemas.Duplicate(score=pair.score, products=(_shown(pair.hits[0]), _shown(pair.hits[1])))
        for pair in page
    ]
    return reply(schemas.DuplicateList(items=items, next_cursor=cursor, complete=complete))


@api.post(
    "/merge",
    summary="Merge two products",
    responses={200: schemas.Product, **problems(404, 409, 413, 422)},
)
def merge_products(path: CatalogPath, body: schemas.Merge) -> Response:
    """Give the pictures of ``drop`` to ``keep``, delete ``drop``, and return ``keep``.

    What ``keep`` says stays as it is. A later upload that names ``drop`` adds it anew.
    """
    with services().database.write() as connection:
        catalog = catalogs.get(connection, path.catalog)
        product = merging.merge(connection, catalog, body.keep, body.drop)
    services().announce(catalog.pk)
    location = quote(f"/v1/catalogs/{catalog.name}/products/{product.id}")
    return reply(product_model(product), Location=location)


def _checked(after: str) -> str:
    if not after:
        return after
    try:
        score, first, second = after.split(",")
        if math.isfinite(float(score)) and 0 <= int(first) < 2**63 and 0 <= int(second) < 2**63:
            return after
    except ValueError:
        pass
    raise bad_cursor()


def _shown(hit: Hit) -> schemas.DuplicateSide:
    return schemas.DuplicateSide(**hit.model_dump(exclude={"rank", "score"}))
