"""Golden queries and a catalog's quality: how often searches find what they ought to find."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from flask import Response, request
from flask_openapi.blueprint import APIBlueprint

from visearch import records
from visearch.errors import InvalidRequest, Overloaded
from visearch.fetching import Failed, Fetched, Wanted
from visearch.images.order import Copy
from visearch.rules import GOLDEN_SIDE
from visearch.store import catalogs, generations, golden, products
from visearch.store.database import Connection
from visearch.store.golden import Check, Golden
from web.api import schemas
from web.api.catalogs import CatalogPath, NamedPath, NewNamedPath
from web.api.common import (
    Page,
    check_picture_size,
    decode_cursor,
    inline_picture,
    json_body,
    not_empty,
    one_of,
    paged,
    problems,
    reply,
    slot,
)
from web.api.forms import OR_A_FORM, read_form
from web.problems import kept_problem
from web.services import services

api = APIBlueprint("golden", __name__, url_prefix="/v1/catalogs/<string:catalog>")

BUSY = "Pictures of other golden queries are being read. Try again in a second."

FETCH_S = 15.0
"""How long a picture may take to be fetched."""

DECODE_S = 30.0
"""How long a picture may wait for the one before it and be decoded: longer than both may take."""

_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["image", "golden"],
    "properties": {
        "image": {"type": "string", "format": "binary"},
        "golden": {"type": "string", "description": "JSON: products"},
    },
}
_JPEG: dict[str, Any] = {
    "description": "The picture",
    "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
}


@api.get(
    "/golden",
    summary="List golden queries",
    responses={200: schemas.GoldenQueryList, **problems(404, 422)},
)
def list_golden(path: CatalogPath, query: Page) -> Response:
    """Return the golden queries of a catalog by name, each with its last check."""
    after = decode_cursor(query.cursor)
    with services().database.read() as connection:
        catalog = catalogs.get(connection, path.catalog)
        found = golden.page(connection, catalog, after, query.limit + 1)
    page, cursor = paged(found, query.limit, lambda each: each.name)
    items = [_shown(each) for each in page]
    return reply(schemas.GoldenQueryList(items=items, next_cursor=cursor))


@api.put(
    "/golden/<string:name>",
    summary="Make or change a golden query",
    request_body=one_of(schemas.NewGoldenQuery, _FORM),
    responses={
        200: schemas.GoldenQuery,
        201: schemas.GoldenQuery,
        **problems(404, 413, 415, 422),
    },
)
def put_golden(path: NewNamedPath) -> Response:
    """State a golden query in full; unless it is the same as before, it is checked at once.

    What is kept of the picture is a small upright JPEG.
    """
    expected, picture = _read_request()
    with services().database.read() as connection:
        catalog = catalogs.get(connection, path.catalog)
        _check_products(connection, catalog, expected)
    with slot(services().golden, BUSY):
        copy = _copied(_fetched(picture) if isinstance(picture, str) else picture)
    with services().database.write() as connection:
        catalog = catalogs.get(connection, path.catalog)
        catalogs.lock_live(connection, catalog.pk)
        found, is_new = golden.put(connection, catalog, path.name, expected=expected, picture=copy)
    return reply(_shown(found), 201, Location=_path(found)) if is_new else reply(_shown(found))


def _read_request() -> tuple[list[str], bytes | str]:
    """Return the expected products, and the picture or its URL."""
    if request.mimetype != "multipart/form-data":
        body = json_body(schemas.NewGoldenQuery, OR_A_FORM)
        if body.image.url is not None:
            return body.products, body.image.url
        picture = inline_picture(body.image.base64 or "", "/image/base64")
        return body.products, not_empty(picture)
    form = read_form("image", "golden")
    if "image" not in form.files:
        detail = "The form has no picture. Send it as a file part named 'image'."
        raise InvalidRequest(detail, (("image", detail),))
    said = form.files.get("golden", [b"{}"])[0]
    expected = schemas.GoldenProducts.model_validate_json(said).products
    return expected, not_empty(check_picture_size(form.files["image"][0]))


def _check_products(
    connection: Connection, catalog: records.Catalog, expected: Sequence[str]
) -> None:
    live = products.live_among(connection, catalog.pk, expected)
    unknown = [
        (f"/products/{place}", f"The catalog has no product {product_id!r}.")
        for place, product_id in enumerate(expected)
        if product_id not in live
    ]
    if unknown:
        raise InvalidRequest(" ".join(detail for _, detail in unknown[:3]), tuple(unknown))


def _fetched(url: str) -> bytes:
    outcome = services().fetcher.begin(Wanted(url), within_s=FETCH_S).result()
    if isinstance(outcome, Failed):
        raise outcome.error
    assert isinstance(outcome, Fetched), outcome
    return outcome.data


def _copied(data: bytes) -> bytes:
    """Have a decoder, which is a process of its own, make what is kept of a picture."""
    try:
        return services().decoders.copy(data, Copy(GOLDEN_SIDE), DECODE_S)
    except TimeoutError as error:
        raise Overloaded("No process is free to decode the picture. Try again.") from error


@api.get(
    "/golden/<string:name>",
    summary="Read a golden query",
    responses={200: schemas.GoldenQuery, **problems(404)},
)
def get_golden(path: NamedPath) -> Response:
    """Return a golden query, its last check, and the one before the last change."""
    with services().database.read() as connection:
        found = golden.get(connection, catalogs.get(connection, path.catalog), path.name)
    return reply(_shown(found))


@api.get(
    "/golden/<string:name>/image",
    summary="Read the picture of a golden query",
    responses={200: _JPEG, 304: None, **problems(404)},
)
def get_golden_image(path: NamedPath) -> Response:
    """Return the picture that is searched for, as a JPEG."""
    with services().database.read() as connection:
        found = golden.get(connection, catalogs.get(connection, path.catalog), path.name)
        picture = golden.picture_of(connection, found)
    response = Response(picture, mimetype="image/jpeg")
    response.headers["Cache-Control"] = "private, no-cache"
    response.set_etag(found.digest)
    response.make_conditional(request)
    return response


@api.delete(
    "/golden/<string:name>", summary="Delete a golden query", responses={204: None, **problems(404)}
)
def delete_golden(path: NamedPath) -> Response:
    """Forget a golden query; products stay as they are."""
    with services().database.write() as connection:
        catalog = catalogs.get(connection, path.catalog)
        catalogs.lock(connection, catalog.pk)
        golden.delete(connection, golden.get(connection, catalog, path.name))
    return Response(status=204)


@api.post(
    "/golden/check",
    summary="Check the golden queries now",
    responses={202: schemas.Quality, **problems(404)},
)
def check_golden(path: CatalogPath) -> Response:
    """Have every golden query searched for again, in the background."""
    with services().database.write() as connection:
        catalog = catalogs.get(connection, path.catalog)
        catalogs.lock(connection, catalog.pk)
        golden.ask(connection, catalog)
        shown = _quality(connection, catalog)
    return reply(shown, 202, Location=f"/v1/catalogs/{catalog.name}/quality")


@api.get(
    "/quality",
    summary="Read a catalog's quality",
    responses={200: schemas.Quality, **problems(404)},
)
def get_quality(path: CatalogPath) -> Response:
    """Return the recall of the index, and how many golden queries find what they ought to."""
    with services().database.read() as connection:
        return reply(_quality(connection, catalogs.get(connection, path.catalog)))


def _quality(connection: Connection, catalog: records.Catalog) -> schemas.Quality:
    built = generations.current(connection, catalog)
    return schemas.Quality(
        catalog=catalog.name,
        encoder=catalog.fingerprint,
        generation=None if built is None else built.id,
        recall=None if built is None else built.recall,
        target_recall=catalog.target_recall,
        measured_at=None if built is None else built.created_at,
        golden=schemas.GoldenCounts(**golden.counts(connection, catalog)._asdict()),
    )


def _path(each: Golden) -> str:
    return quote(f"/v1/catalogs/{each.catalog}/golden/{each.name}")


def _shown(each: Golden) -> schemas.GoldenQuery:
    path = _path(each)
    return schemas.GoldenQuery(
        name=each.name,
        catalog=each.catalog,
        products=list(each.products),
        image_url=f"{path}/image",
        rank=each.last and each.last.rank,
        checked_at=each.last and each.last.checked_at,
        generation=each.last and each.last.generation,
        encoder=each.last and each.last.encoder,
        previous=_check(each.previous),
        error=kept_problem(each.error_code, each.error_detail, path),
        created_at=each.created_at,
        updated_at=each.updated_at,
    )


def _check(check: Check | None) -> schemas.GoldenCheck | None:
    return None if check is None else schemas.GoldenCheck(**check._asdict())
