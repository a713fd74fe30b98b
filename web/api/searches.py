"""Searches: submit a picture, poll (or wait for) the products that look like it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Response, current_app, request
from flask_openapi.blueprint import APIBlueprint
from pydantic import BaseModel
from pydantic_core import from_json

from visearch.errors import InvalidRequest
from visearch.records import Catalog
from visearch.searches import Failure, ProductRef, SearchQuery
from visearch.store import catalogs
from visearch.store.filters import check_field, conditions
from visearch.store.redis.jobs import SearchJob, SearchRecord, answer_name
from web.api import schemas
from web.api.common import (
    check_picture_size,
    inline_picture,
    json_body,
    not_empty,
    one_of,
    preferred_wait,
    problems,
    reply,
    request_id,
)
from web.api.events import EVENTS, News, stream
from web.api.fields import Name
from web.api.forms import OR_A_FORM, read_form
from web.by_url import Asked
from web.idempotency import resource_id
from web.problems import problem, status_of
from web.services import services

api = APIBlueprint("searches", __name__, url_prefix="/v1/searches")
_JSON_FIELDS = frozenset(schemas.json_fields())


class SearchPath(BaseModel):
    """Names a search."""

    search_id: Name


@api.post(
    "",
    summary="Search by picture",
    request_body=one_of(schemas.NewSearch, schemas.search_form()),
    responses={200: schemas.Search, 202: schemas.Search, **problems(404, 413, 415, 422)},
)
def create_search() -> Response:
    """Submit a search: 202 and a place to poll, or 200 with the finished search.

    A picture that is named by URL is fetched first; if that fails, so does the search.
    """
    query, picture = _read_request()
    with services().database.read() as connection:
        catalog = catalogs.get(connection, query.catalog)
    conditions(query.filter or {})
    for field in query.facets:
        check_field(field)
    query.check_scores(catalog.metric)
    search_id = resource_id()
    if preferred_wait():
        # Listening before it is accepted, so that the end of the search cannot be missed.
        with services().jobs.watch(search_id) as wait:
            record = _awaited(_accept(search_id, catalog, query, picture), wait)
    else:
        record = _accept(search_id, catalog, query, picture)
    return _reply(record, 200 if record.terminal else 202)


def _accept(
    search_id: str, catalog: Catalog, query: SearchQuery, picture: bytes | str | None
) -> SearchRecord:
    if isinstance(picture, str):
        asked = Asked(id=search_id, url=picture, query=query, request_id=request_id())
        return services().by_url.begin(asked)
    digest = hashlib.sha256(picture or b"").hexdigest()
    return services().jobs.accept(
        SearchJob(
            id=search_id,
            query=query,
            picture=picture,
            digest=digest,
            answer=answer_name(catalog, catalog.revision, catalog.generation, query, digest),
            request_id=request_id(),
        )
    )


def _awaited(record: SearchRecord, wait: Callable[[float], SearchRecord]) -> SearchRecord:
    """Wait as the client prefers, unless so many do already that nobody else would be served."""
    slots = services().waiting
    if record.terminal or not slots.acquire(blocking=False):
        return record
    try:
        return wait(preferred_wait())
    finally:
        slots.release()


def _read_request() -> tuple[SearchQuery, bytes | str | None]:
    """Return the query, and the picture's bytes or URL unless it names a product."""
    return _read_form() if request.mimetype == "multipart/form-data" else _read_json()


def _read_form() -> tuple[SearchQuery, bytes]:
    form = read_form("image")
    if "image" not in form.files:
        detail = "The form has no picture. Send it as a file part named 'image'."
        raise InvalidRequest(detail, (("image", detail),))
    fields: dict[str, Any] = {**form.texts}
    for name in _JSON_FIELDS & fields.keys():
        fields[name] = _json_field(name, fields[name])
    query = SearchQuery.model_validate(fields)
    return query, not_empty(check_picture_size(form.files["image"][0]))


def _json_field(name: str, text: str) -> Any:
    try:
        return current_app.json.loads(text)
    except (ValueError, RecursionError) as error:
        detail = f"The field {name} is not valid JSON. Send it as a JSON text."
        raise InvalidRequest(detail, ((name, detail),)) from error


def _read_json() -> tuple[SearchQuery, bytes | str | None]:
    body = json_body(schemas.NewSearch, OR_A_FORM)
    if (body.image is None) == (body.product is None):
        detail = "Give either 'image' or 'product'."
        raise InvalidRequest(detail, (("/image", detail),))
    query = SearchQuery.model_validate(body.model_dump(exclude={"image"}))
    if body.image is not None:
        if body.image.url is not None:
            return query, body.image.url
        return query, not_empty(inline_picture(body.image.base64 or "", "/image/base64"))
    return _of_product(query, body), None


def _of_product(query: SearchQuery, body: schemas.NewSearch) -> SearchQuery:
    """Return the query with the catalog of its product, which is the one that is searched."""
    assert query.product is not None  # the caller has checked
    catalog = query.product.catalog or query.catalog
    if catalog != query.catalog and "catalog" in body.model_fields_set:
        detail = "The product is in another catalog. Name the catalog that is searched."
        raise InvalidRequest(detail, (("/product/catalog", detail),))
    product = ProductRef(catalog=catalog, id=query.product.id)
    return query.model_copy(update={"catalog": catalog, "product": product})


@api.get(
    "/<string:search_id>",
    summary="Read a search",
    responses={200: schemas.Search, 304: None, **problems(404, 410)},
)
def read_search(path: SearchPath) -> Response:
    """Return the search as it is, or as soon as it is finished with ``Prefer: wait=N``."""
    jobs = services().jobs
    record = jobs.read(path.search_id)
    if not record.terminal and preferred_wait():
        with jobs.watch(record.id) as wait:
            record = _awaited(jobs.read(record.id), wait)
    response = _reply(record, 200)
    response.add_etag()
    response.make_conditional(request)
    return response


@api.get(
    "/<string:search_id>/events",
    summary="Follow a search",
    responses={200: EVENTS, **problems(404, 410)},
)
def follow_search(path: SearchPath) -> Response:
    """Send a ``status`` event whenever the status changes, and ``done`` with the search."""
    jobs = services().jobs
    jobs.read(path.search_id)

    def look() -> News:
        record = jobs.read(path.search_id)
        if record.terminal:
            return News("done", _search(record).model_dump_json(), True)
        return News(
            "status", current_app.json.dumps({"id": record.id, "status": record.status}), False
        )

    return stream(look, jobs.watch(path.search_id))


@api.delete(
    "/<string:search_id>",
    summary="Cancel a search",
    responses={200: schemas.Search, **problems(404, 410)},
)
def cancel_search(path: SearchPath) -> Response:
    """Cancel the search if it is not finished; returns it as it then is."""
    jobs = services().jobs
    jobs.read(path.search_id)
    jobs.finish(path.search_id, "cancelled")
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
    answer = from_json(record.body) if record.status == "succeeded" else {}
    return schemas.Search(
        id=record.id,
        status=record.status,  # type: ignore[arg-type]  # checked by pydantic
        created_at=datetime.fromtimestamp(record.created_at, UTC),
        finished_at=datetime.fromtimestamp(finished, UTC) if finished else None,
        catalog=record.catalog,
        cached=record.cached,
        error=_error(record),
        **answer,
    )


def _error(record: SearchRecord) -> schemas.Problem | None:
    if record.status == "expired":
        detail = "No worker answered before the deadline. Try again."
        body = problem(503, "search_expired", detail)
    elif record.status == "failed":
        failure = Failure.model_validate_json(record.body)
        status = status_of(failure.code)
        body = problem(status, failure.code, failure.detail, failure.fields)
    else:
        return None
    return schemas.Problem.model_validate({**body, "instance": f"/v1/searches/{record.id}"})
