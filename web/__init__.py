"""The web front end: a Flask app over the store and the queue; it never loads a model."""

from __future__ import annotations

import re
import time
from urllib.parse import urlsplit

import structlog
from flask import Response, g, request
from flask_openapi.models.info import Info
from flask_openapi.openapi import OpenAPI

from visearch import __version__
from visearch.errors import Forbidden, InvalidRequest
from visearch.ids import new_id
from visearch.settings import Settings
from web import documentation, idempotency, problems
from web.api import (
    catalogs,
    dead,
    duplicates,
    encoders,
    feeds,
    golden,
    health,
    imports,
    mappings,
    products,
    ranking,
    reindexes,
    schemas,
    searches,
    system,
)
from web.bodies import REFUSAL, bound_of
from web.json_provider import Json, JsonRequest
from web.pages import pages
from web.services import EXTENSION, Services, services

log = structlog.get_logger(__name__)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_SAFE = ("GET", "HEAD", "OPTIONS")
_HEALTH = ("/healthz", "/readyz")
_QUIET = (*_HEALTH, "/thumbnails/", "/static/")


def create_app(settings: Settings) -> OpenAPI:
    """Make the WSGI app for these settings."""
    app = OpenAPI(
        __name__,
        info=Info(title="visearch", version=__version__),
        validation_error_status=422,
        validation_error_model=schemas.Problem,
        validation_error_callback=problems.validation_problem,
        doc_ui=False,
    )
    app.openapi_version = "3.1.0"
    app.url_map.merge_slashes = False  # no redirect from the id "/a" to the id "a"
    app.json = Json(app)
    app.request_class = JsonRequest
    app.extensions[EXTENSION] = Services(settings)
    problems.register(app)
    for module in (
        searches,
        catalogs,
        products,
        duplicates,
        imports,
        mappings,
        feeds,
        golden,
        ranking,
        encoders,
        reindexes,
        dead,
        system,
        health,
    ):
        app.register_api(module.api)
    app.register_blueprint(pages)
    documentation.register(app)
    app.before_request(_begin)
    app.before_request(_check_parameters)
    app.before_request(_check_body)
    app.before_request(_refuse_foreign_pages)
    idempotency.register(app)
    app.after_request(_end)
    return app


def _check_parameters() -> None:
    """Refuse a NUL: nothing is named with one, and PostgreSQL does not even look for it."""
    for name, values in request.args.lists():
        if any("\0" in text for text in (name, *values)):
            detail = f"The parameter {name[:40]!r} has a NUL. Leave it out."
            raise InvalidRequest(detail, ((name, detail),))


def _check_body() -> None:
    """Refuse what the server has refused already, and a body above the limit of its route."""
    refusal: Exception | None = request.environ.get(REFUSAL)
    if refusal is not None:
        raise refusal
    bound = bound_of(services().settings, request.method, request.path)
    if (request.content_length or 0) > bound.limit:
        raise bound.refusal()
    request.max_content_length = bound.limit


def _refuse_foreign_pages() -> None:
    """Refuse a change that another site's page asks a browser to make.

    Without keys, the only thing that tells our own pages from a stranger's is where the
    request comes from, and by which name.
    """
    if request.path in _HEALTH:
        return  # a probe names the machine as it likes, and changes nothing
    settings, name = services().settings, _hostname(f"//{request.host}")
    if not settings.answers_to(name):
        raise Forbidden(f"this server does not answer to {name!r}; see VISEARCH_PUBLIC_HOSTS")
    origin = request.headers.get("Origin")
    if request.method in _SAFE or not origin or origin.partition("://")[2] == request.host:
        return
    if _hostname(origin) not in settings.listed_hosts:
        raise Forbidden("this server takes changes from its own pages only")


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _begin() -> None:
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else new_id()
    g.started = time.perf_counter()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _end(response: Response) -> Response:
    response.headers["X-Request-ID"] = g.request_id
    response.headers["X-Content-Type-Options"] = "nosniff"
    if not request.path.startswith(_QUIET):
        log.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status_code,
            ms=round((time.perf_counter() - g.started) * 1e3, 1),
        )
    structlog.contextvars.clear_contextvars()
    return response
