"""Errors → problem details (RFC 9457): one table from error to HTTP status."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, overload

import structlog
from flask import Flask, Response, jsonify, request
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from werkzeug.exceptions import HTTPException

from visearch import errors
from visearch.searches import Failure
from web.api import schemas

log = structlog.get_logger(__name__)

STATUS: dict[type[errors.VisearchError], int] = {
    errors.InvalidRequest: 422,
    errors.PayloadTooLarge: 413,
    errors.RequestTimeout: 408,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Gone: 410,
    errors.Conflict: 409,
    errors.ReplaceIncomplete: 409,
    errors.ReplaceGuarded: 409,
    errors.UnsupportedImage: 415,
    errors.ImageTooLarge: 413,
    errors.ImageCorrupt: 422,
    errors.DecoderCrashed: 422,
    errors.DecodeTimeout: 422,
    errors.UnsupportedArchive: 415,
    errors.ArchiveTooLarge: 413,
    errors.ArchiveCorrupt: 422,
    errors.FetchError: 422,
    errors.UrlNotFound: 422,
    errors.UrlRefusedAddress: 422,
    errors.UrlTimeout: 422,
    errors.UrlTooLarge: 413,
    errors.UrlNotAPicture: 415,
    errors.UrlRateLimited: 422,
    errors.UrlUnreachable: 422,
    errors.TableUnreadable: 422,
    errors.MappingIncomplete: 422,
    errors.UnknownEncoder: 422,
    errors.EncoderMismatch: 409,
    errors.SearchExpired: 503,
    errors.TooSlow: 503,
    errors.Overloaded: 503,
    errors.DependencyUnavailable: 503,
    errors.DependencyBroken: 500,
}
_INTERNAL = "An unexpected error occurred. It has been logged."
_PUBLIC = {
    errors.DependencyUnavailable.code: (
        "A service behind this server does not answer. Try again in a few seconds."
    ),
    errors.DependencyBroken.code: (
        "A service behind this server cannot be used. Its operator has to repair it."
    ),
}
RETRY_AFTER_S: dict[type[errors.VisearchError], int] = {
    errors.Overloaded: 1,
    errors.DependencyUnavailable: 5,
}

_HTTP_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    411: "length_required",
    413: "payload_too_large",
    415: "unsupported_media_type",
    431: "headers_too_large",
    501: "not_implemented",
}

Fields = Sequence[tuple[str, str]]


def problem(status: int, code: str, detail: str, fields: Fields = ()) -> dict[str, Any]:
    """Return the members of a problem document."""
    body: dict[str, Any] = {
        "type": f"urn:visearch:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": public_detail(code, detail),
        "instance": request.path,
        "code": code,
    }
    if fields:
        body["errors"] = [{"pointer": pointer, "detail": text} for pointer, text in fields]
    return body


@overload
def public_detail(code: str | None, detail: str) -> str: ...
@overload
def public_detail(code: str | None, detail: str | None) -> str | None: ...
def public_detail(code: str | None, detail: str | None) -> str | None:
    """Return what a client may read of an error's detail.

    What a database, Redis or a blob store says of itself names hosts, users and paths; that is
    for the log.
    """
    return _PUBLIC.get(code or "", detail)


def pointer(*parts: object) -> str:
    """Return the JSON pointer (RFC 6901) made of these parts."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def kept_problem(code: str | None, detail: str | None, instance: str) -> schemas.Problem | None:
    """Return the problem that a resource has kept as a code and a detail; None if it has none."""
    if not code:
        return None
    body = problem(status_of(code), code, detail or "")
    return schemas.Problem.model_validate({**body, "instance": instance})


def status_of(code: str) -> int:
    """Return the HTTP status for an error code; 500 if the code is unknown."""
    return next((status for kind, status in STATUS.items() if kind.code == code), 500)


def _respond(
    status: int, code: str, detail: str, fields: Fields = (), retry_after: int | None = None
) -> Response:
    response = jsonify(problem(status, code, detail, fields))
    response.status_code = status
    response.mimetype = "application/problem+json"
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def failed(failure: Failure, **more: str) -> Response:
    """Answer with what a worker could not do; ``more`` are further members of the document."""
    status = status_of(failure.code)
    body = problem(status, failure.code, failure.detail, failure.fields) | more
    response = jsonify(body)
    response.status_code, response.mimetype = status, "application/problem+json"
    return response


def _visearch_error(error: errors.VisearchError) -> Response:
    kind = next((k for k in type(error).__mro__ if k in STATUS), None)
    if kind is None:
        log.error("unexpected_error", code=error.code, detail=error.detail)
        return _respond(500, "internal_error", _INTERNAL)
    if kind is errors.DependencyUnavailable:
        log.warning("dependency_unavailable", path=request.path, detail=error.detail)
    fields = error.fields if isinstance(error, errors.InvalidRequest) else ()
    retry = RETRY_AFTER_S.get(kind)
    return _respond(STATUS[kind], error.code, error.detail, fields, retry)


def validation_problem(error: ValidationError) -> Response:
    """Answer a request whose fields break the schema."""
    fields = [(pointer(*e["loc"]), _message(e)) for e in error.errors()]
    place, text = fields[0] if fields else ("", "It does not match the schema.")
    more = f" {len(fields) - 1} more: see `errors`." if len(fields) > 1 else ""
    return _respond(422, "invalid_request", f"{place or 'The body'}: {text}{more}", fields)


def _message(error: ErrorDetails) -> str:
    """Return pydantic's message as a sentence that names none of our classes."""
    is_object = error["type"] in ("model_type", "model_attributes_type", "dict_type")
    return "It must be a JSON object, at least {}." if is_object else error["msg"].rstrip(".") + "."


def _http_error(error: HTTPException) -> Response:
    if error.response is not None:  # a validation problem that is already a response
        return error.response  # type: ignore[return-value]
    status = error.code or 500
    response = _respond(status, _HTTP_CODES.get(status, "http_error"), error.description or "")
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    log.exception("unexpected_error", error_type=type(error).__name__)
    return _respond(500, "internal_error", _INTERNAL)


def register(app: Flask) -> None:
    """Answer every error of the app with a problem document."""
    app.register_error_handler(errors.VisearchError, _visearch_error)
    app.register_error_handler(ValidationError, validation_problem)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)
