"""Searches: submit a picture, poll (or wait for) the products that look like it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from flask import Response, current_app, request
from flask_openapi.blueprint import APIBlueprint
from pydantic import BaseModel
from werkzeug.exceptions import RequestEntityTooLarge

from visearch.contract import RUN_SEARCH, SearchPayload, SearchQuery
from visearch.errors import DependencyUnavailable, ImageCorrupt, ImageTooLarge, InvalidRequest
from visearch.ids import new_id
from visearch.records import Catalog
from visearch.store import catalogs
from visearch.store.filters import attribute_conditions, check_field
from visearch.store.redis.jobs import SearchRecord, answer_key
from web.api import schemas
from web.api.common import (
    check_picture_size,
    inline_picture,
    json_body,
    one_of,
    preferred_wait,
    problems,
    reply,
    request_id,
)
from web.problems import problem, status_of
from web.services import services

api = APIBlueprint("searches", __name__, url_prefix="/v1/searches")

_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["image"],
    "properties": {
        "image": {"type": "string", "format": "binary"},
        "catalog": {"type": "string", "default": "default"},
        "limit": {"type": "integer", "default": 20},
        "offset": {"type": "integer", "default": 0},
        "box": {"type": "string", "description": "JSON: [x0, y0, x1, y1] in 0..1"},
        "filter": {"type": "string", "description": "JSON object"},
        "min_score": {"type": "number"},
        "group": {"type": "boolean", "default": False},
        "facets": {"type": "string", "description": "JSON list of attribute names"},
    },
}
_JSON_FIELDS = ("box", "filter", "facets")


class SearchPath(BaseModel):
    """Names a search."""

    search_id: str


@api.post(
    "",
    summary="Search by picture",
    request_body=one_of(schemas.NewSearch, _FORM),
    responses={200: schemas.Search, 202: schemas.Search, **problems(404, 413, 415, 422)},
)
def create_search() -> Response:
    """Submit a search: 202 and a place to poll, or 200 with the finished search."""
    options, picture, product = _read_request()
    with services().database.read() as connection:
        catalog = catalogs.get(connection, options.catalog)
        attribute_conditions(connection.dialect.name, options.filter or {})
        for field in options.facets:
            check_field(field)
    query = _query(options, product)
    digest = hashlib.sha256(picture or b"").hexdigest()
    key = answer_key(catalog, catalog.revision, catalog.generation, query, digest)
    jobs = services().jobs
    search_id = new_id()
    if (body := jobs.cached(key)) is not None:
        record = jobs.accept_answered(search_id, catalog.name, {**body, "cached": True})
        return _reply(record, 200)
    record = jobs.accept(search_id, catalog.name, picture)
    _enqueue(record, catalog, query, digest)
    record = _awaited(record)
    return _reply(record, 200 if record.terminal else 202)


def _awaited(record: SearchRecord) -> SearchRecord:
    """Wait as the client prefers, unless so many do already that nobody else would be served."""
    wait, slots = preferred_wait(), services().waiting
    if record.terminal or not wait or not slots.acquire(blocking=False):
        return record
    try:
        return services().jobs.wait(record.id, wait)
    finally:
        slots.release()


def _enqueue(record: SearchRecord, catalog: Catalog, query: SearchQuery, digest: str) -> None:
    payload = SearchPayload(
        search_id=record.id,
        query=query,
        accepted_at=record.created_at,
        request_id=request_id(),
        picture=digest,
    )
    try:
        services().send(RUN_SEARCH, payload)
    except DependencyUnavailable:
        services().jobs.withdraw(record.id)
        raise


def _query(options: schemas.SearchOptions, product: str | None) -> SearchQuery:
    query = SearchQuery(
        catalog=options.catalog,
        limit=options.limit,
        offset=options.offset,
        box=list(options.box) if options.box else None,
        filter=options.filter,
        min_score=options.min_score,
        group=options.group,
        facets=options.facets,
    )
    if product is not None:
        query["product"] = product
    return query


def _read_request() -> tuple[schemas.SearchOptions, bytes | None, str | None]:
    """Return the options, the picture's bytes, and the product of "more like this"."""
    # A picture in base64 is a third larger, plus the other fields.
    limit = services().settings.max_image_bytes
    request.max_content_length = limit * 4 // 3 + 65_536
    try:
        if request.mimetype == "multipart/form-data":
            return *_read_form(), None
        return _read_json()
    except RequestEntityTooLarge as error:
        detail = f"the picture has more bytes than the limit of {limit}; make it smaller"
        raise ImageTooLarge(detail) from error


def _read_form() -> tuple[schemas.SearchOptions, bytes]:
    part = request.files.get("image")
    if part is None:
        detail = "send the picture as a file part named 'image'"
        raise InvalidRequest(detail, (("image", detail),))
    fields: dict[str, Any] = dict(request.form)
    for name in _JSON_FIELDS:
        if name in fields:
            fields[name] = _json_field(name, fields[name])
    options = schemas.SearchOptions.model_validate(fields)
    return options, _not_empty(check_picture_size(part.stream.read()))


def _json_field(name: str, text: str) -> Any:
    try:
        return current_app.json.loads(text)
    except ValueError as error:
        detail = f"{name} is not valid JSON"
        raise InvalidRequest(detail, ((name, detail),)) from error


def _read_json() -> tuple[schemas.SearchOptions, bytes | None, str | None]:
    body = json_body(schemas.NewSearch)
    if (body.image is None) == (body.product is None):
        detail = "give either 'image' or 'product'"
        raise InvalidRequest(detail, (("/image", detail),))
    if body.image is not None:
        return body, _not_empty(inline_picture(body.image, "/image/base64")), None
    product = body.product
    assert product is not None  # one of the two, checked above
    catalog = product.catalog or body.catalog
    if catalog != body.catalog and "catalog" in body.model_fields_set:
        detail = "the product must be of the catalog that is searched"
        raise InvalidRequest(detail, (("/product/catalog", detail),))
    return body.model_copy(update={"catalog": catalog}), None, product.id


def _not_empty(data: bytes) -> bytes:
    if not data:
        raise ImageCorrupt("the picture is empty; choose a file with a picture in it")
    return data


@api.get(
    "/<string:search_id>",
    summary="Read a search",
    responses={200: schemas.Search, 304: None, **problems(404, 410)},
)
def read_search(path: SearchPath) -> Response:
    """Return the search as it is, or as soon as it is finished with ``Prefer: wait=N``."""
    response = _reply(_awaited(services().jobs.read(path.search_id)), 200)
    response.add_etag()
    response.make_conditional(request)
    return response


@api.delete(
    "/<string:search_id>",
    summary="Cancel a search",
    responses={200: schemas.Search, **problems(404, 410)},
)
def cancel_search(path: SearchPath) -> Response:
    """Cancel the search if it is not finished; returns it as it then is."""
    jobs = services().jobs
    jobs.read(path.search_id)
    jobs.finish(path.search_id, "cancelled", {})
    return _reply(jobs.read(path.search_id), 200)


def _reply(record: SearchRecord, status: int) -> Response:
    headers = {"Location": f"/v1/searches/{record.id}"} if request.method == "POST" else {}
    if not record.terminal:
        headers["Retry_After"] = "1"
    if preferred_wait() and record.terminal:
        headers["Preference_Applied"] = f"wait={preferred_wait():g}"
    return reply(_search(record), status, **headers)


def _search(record: SearchRecord) -> schemas.Search:
    finished = record.finished_at
    return schemas.Search(
        id=record.id,
        status=record.status,  # type: ignore[arg-type]  # checked by pydantic
        created_at=datetime.fromtimestamp(record.created_at, UTC),
        finished_at=datetime.fromtimestamp(finished, UTC) if finished else None,
        catalog=record.catalog,
        cached=bool(record.body.get("cached")),
        results=_hits(record),
        total=record.body.get("total"),
        facets=record.body.get("facets"),
        timings_ms=record.body.get("timings_ms"),
        index=record.body.get("index"),
        encoder=record.body.get("encoder"),
        shards=record.body.get("shards"),
        error=_error(record),
    )


def _hits(record: SearchRecord) -> list[schemas.Hit] | None:
    if record.status != "succeeded":
        return None
    return [
        schemas.Hit(image_url=f"/thumbnails/{hit.pop('thumbnail')}.jpg", **hit)
        for hit in (dict(raw) for raw in record.body["results"])
    ]


def _error(record: SearchRecord) -> schemas.Problem | None:
    if record.status == "expired":
        detail = "no worker answered before the deadline; try again"
        body = problem(503, "search_expired", detail)
    elif record.status == "failed":
        error = record.body["error"]
        fields = [(pointer, detail) for pointer, detail in error["fields"]]
        body = problem(status_of(error["code"]), error["code"], error["detail"], fields)
    else:
        return None
    return schemas.Problem.model_validate({**body, "instance": f"/v1/searches/{record.id}"})
