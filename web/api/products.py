"""Products: put one with its pictures, read, list, describe, delete."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from flask_openapi.blueprint import APIBlueprint
from pydantic import ConfigDict, Field

from visearch import records
from visearch.contract import thumbnail_path
from visearch.fields import ProductId
from visearch.importing.accept import accept_product
from visearch.store import catalogs, products
from web.api import schemas
from web.api.catalogs import CatalogPath
from web.api.common import (
    check_picture_size,
    decode_cursor,
    inline_picture,
    json_body,
    one_of,
    paged,
    problems,
    reply,
    request_id,
)
from web.api.forms import OR_A_FORM, Form, read_form
from web.api.imports import import_model
from web.services import services

api = APIBlueprint("products", __name__, url_prefix="/v1/catalogs/<string:catalog>/products")

_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["image"],
    "properties": {
        "image": {"type": "array", "items": {"type": "string", "format": "binary"}},
        "product": {"type": "string", "description": "JSON: title, url, description, attributes"},
    },
}
_CHANGES = {"schema": {"$ref": "#/components/schemas/ProductChanges"}}
_PATCH: dict[str, Any] = {
    "required": True,
    "content": dict.fromkeys(("application/merge-patch+json", "application/json"), _CHANGES),
}
LIST_WITHIN_S = 10.0
"""The columns of a filter, and of what is looked for, are read from start to end."""


class ProductPath(CatalogPath):
    """Names a product; ids may contain slashes."""

    product_id: ProductId


class ProductQuery(schemas.Request):
    """A page of products; every other parameter is an attribute that must match.

    ``q`` are words, or parts of some, that must be in the product's id or title.
    """

    model_config = ConfigDict(extra="allow")
    q: str = Field("", max_length=200)
    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = None


@api.get(
    "",
    summary="List products",
    responses={200: schemas.ProductList, **problems(404, 422)},
)
def list_products(path: CatalogPath, query: ProductQuery) -> Response:
    """Return products by id: with ``?colour=red`` those with that attribute, with ``?q=`` found."""
    with services().database.read(LIST_WITHIN_S) as connection:
        catalog = catalogs.get(connection, path.catalog)
        after = decode_cursor(query.cursor)
        where = {name: _any_type(request.args.getlist(name)) for name in query.model_extra or ()}
        found = products.page(connection, catalog, after, query.limit + 1, where, query.q)
    page, cursor = paged(found, query.limit, lambda p: p.id)
    items = [product_model(product) for product in page]
    return reply(schemas.ProductList(items=items, next_cursor=cursor))


def _any_type(texts: list[str]) -> list[str | bool]:
    """A query string has no types: ``true`` stands for the text and for the boolean.

    That ``10`` also stands for the number is the filters' own rule.
    """
    return [*texts, *(text == "true" for text in texts if text in ("true", "false"))]


@api.put(
    "/<path:product_id>",
    summary="Add or replace a product",
    request_body=one_of(schemas.NewProduct, _FORM),
    responses={202: schemas.Import, **problems(404, 413, 415, 422)},
)
def put_product(path: ProductPath) -> Response:
    """Accept the product; the returned import tells the fate of each picture.

    A picture that is named by URL is fetched in the background.
    """
    body, pictures = _read_request()
    record = accept_product(
        services(),
        path.catalog,
        path.product_id,
        pictures,
        title=body.title,
        url=body.url,
        description=body.description,
        attributes=body.attributes,
        request_id=request_id(),
    )
    services().flush()
    location = f"/v1/catalogs/{record.catalog}/imports/{record.id}"
    return reply(import_model(record), 202, Location=location)


def _read_request() -> tuple[schemas.ProductText, list[bytes | str]]:
    """Return the product, and its pictures or their URLs."""
    if request.mimetype == "multipart/form-data":
        form = read_form("image")
        pictures: list[bytes | str] = [
            check_picture_size(data) for data in form.files.get("image", [])
        ]
        return schemas.ProductText.model_validate_json(_product_part(form)), pictures
    body = json_body(schemas.NewProduct, OR_A_FORM)
    return body, [
        image.url
        if image.url is not None
        else inline_picture(image.base64 or "", f"/images/{i}/base64")
        for i, image in enumerate(body.images)
    ]


def _product_part(form: Form) -> str | bytes:
    """Return the form's ``product``, sent as a field or as a file."""
    if files := form.files.get("product"):
        return files[0]
    return form.texts.get("product", "{}")


@api.get(
    "/<path:product_id>",
    summary="Read a product",
    responses={200: schemas.Product, **problems(404, 422)},
)
def get_product(path: ProductPath) -> Response:
    """Return one product."""
    with services().database.read() as connection:
        catalog = catalogs.get(connection, path.catalog)
        return reply(product_model(products.get(connection, catalog, path.product_id)))


@api.patch(
    "/<path:product_id>",
    summary="Describe a product",
    request_body=_PATCH,
    responses={200: schemas.Product, **problems(404, 413, 415, 422)},
)
def patch_product(path: ProductPath) -> Response:
    """Merge changes into what is said of a product (RFC 7396), without encoding its pictures.

    What is absent stays, each attribute too; null removes. Of two patches of different fields or
    attributes at the same time, neither is lost.
    """
    changes = json_body(schemas.ProductChanges).model_dump(exclude_unset=True)
    with services().database.write() as connection:
        catalog = catalogs.get(connection, path.catalog)
        product = products.describe(connection, catalog, path.product_id, changes)
    services().announce(catalog.pk)
    return reply(product_model(product))


@api.delete(
    "/<path:product_id>", summary="Delete a product", responses={204: None, **problems(404, 422)}
)
def delete_product(path: ProductPath) -> Response:
    """Delete a product; results accepted two seconds later no longer hold it."""
    with services().database.write() as connection:
        catalog = catalogs.get(connection, path.catalog)
        products.delete(connection, catalog, path.product_id)
    services().announce(catalog.pk)
    return Response(status=204)


def product_model(product: records.Product) -> schemas.Product:
    """Return the contract's form of a product."""
    return schemas.Product(
        id=product.id,
        title=product.title,
        url=product.url,
        description=product.description,
        attributes=product.attributes,
        images=[
            schemas.ProductImage(id=image.id, url=thumbnail_path(image.thumbnail))
            for image in product.images
        ],
        updated_at=product.updated_at,
    )
