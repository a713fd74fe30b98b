"""What several resources share: cursors, request ids, the ``Prefer`` header, bodies."""

from __future__ import annotations

import base64
import binascii
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from flask import Response, g, make_response, request
from flask_openapi.types import ResponseDict
from pydantic import BaseModel, Field
from werkzeug.exceptions import BadRequest, UnsupportedMediaType
from werkzeug.http import parse_list_header

from visearch.errors import ImageCorrupt, ImageTooLarge, InvalidRequest, Overloaded
from web.api import schemas
from web.api.base64_text import bytes_of
from web.services import services

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
MAX_WAIT_S = 10.0
_NUMBER = re.compile(r"-1|[0-9]{1,9}")
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")

PROBLEM: dict[str, Any] = {
    "description": "Problem",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def problems(*statuses: int) -> ResponseDict:
    """Return the OpenAPI responses of the given error statuses, and of 403 and 503."""
    return {status: dict(PROBLEM) for status in sorted((*statuses, 403, 503))}


class Page(schemas.Request):
    """A page of a list."""

    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = None


def request_id() -> str:
    """Return the id of this request; it appears in every log line it causes."""
    return str(g.request_id)


def reply(model: BaseModel, status: int = 200, **headers: str) -> Response:
    """Serialise a response model; header names are written with underscores."""
    response = make_response(model.model_dump_json(), status)
    response.mimetype = "application/json"
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = value
    return response


def decode_cursor(cursor: str | None) -> str:
    """Return the key a page starts after; raises InvalidRequest."""
    if not cursor:
        return ""
    try:
        key = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise bad_cursor() from error
    if "\0" in key:
        raise bad_cursor()
    return key


def decode_number_cursor(cursor: str | None) -> int:
    """Return the number a page starts after, -1 for the first; raises InvalidRequest."""
    key = decode_cursor(cursor) or "-1"
    if not _NUMBER.fullmatch(key):
        raise bad_cursor()
    return int(key)


def bad_cursor() -> InvalidRequest:
    """Return the error of a cursor that is not ours."""
    detail = "the cursor is not one we gave; start again without it"
    return InvalidRequest(detail, (("cursor", detail),))


def paged(found: Sequence[T], limit: int, key: Callable[[T], str]) -> tuple[list[T], str | None]:
    """Cut ``limit + 1`` rows into a page and the cursor of the next one."""
    items = list(found[:limit])
    if len(found) <= limit:
        return items, None
    return items, base64.urlsafe_b64encode(key(items[-1]).encode()).decode()


def preferred_wait() -> float:
    """Return the seconds of ``Prefer: wait=N`` (RFC 7240), at most ten; 0 without it."""
    for preference in parse_list_header(request.headers.get("Prefer", "")):
        name, _, value = preference.partition(";")[0].partition("=")
        value = value.strip().strip('"')
        if name.strip().lower() == "wait" and _SECONDS.fullmatch(value):
            return min(float(value), MAX_WAIT_S)
    return 0.0


def inline_picture(text: str, pointer: str) -> bytes:
    """Decode a base64 picture.

    Raises:
        InvalidRequest: not base64.
        ImageTooLarge: above the byte limit.
    """
    try:
        data = bytes_of(text)
    except ValueError as error:
        detail = "the picture is not valid base64"
        raise InvalidRequest(detail, ((pointer, detail),)) from error
    return check_picture_size(data)


def json_body(model: type[M], otherwise: str = "") -> M:
    """Read the JSON body, whatever its media type is said to be; ``otherwise``: what else may be.

    Raises:
        UnsupportedMediaType: it is not JSON, and is not said to be.
        InvalidRequest: it is said to be JSON, or nothing is said, and it is not.
    """
    try:
        return model.model_validate(request.get_json())
    except BadRequest as error:
        detail = f"The body is not valid JSON. Send JSON{otherwise}."
        if request.mimetype and "json" not in request.mimetype:
            raise UnsupportedMediaType(detail) from error
        raise InvalidRequest(detail, (("", detail),)) from error


def check_picture_size(data: bytes) -> bytes:
    """Return ``data``; raises ImageTooLarge above the byte limit."""
    limit = services().settings.max_image_bytes
    if len(data) > limit:
        raise ImageTooLarge(
            f"the picture has {len(data)} bytes, more than the limit of {limit}; make it smaller"
        )
    return data


def not_empty(data: bytes) -> bytes:
    """Return the bytes of a picture; raises ImageCorrupt if there are none."""
    if not data:
        raise ImageCorrupt("The picture is empty. Choose a file with a picture in it.")
    return data


@contextmanager
def slot(slots: threading.Semaphore, busy: str) -> Iterator[None]:
    """Hold a slot of those that requests share; raises Overloaded, with ``busy``, if none is free.

    The threads that are left serve requests that wait for nothing.
    """
    if not slots.acquire(blocking=False):
        raise Overloaded(busy)
    try:
        yield
    finally:
        slots.release()


def any_of(*models: type[BaseModel]) -> dict[str, Any]:
    """Return the OpenAPI response that is one of these models, which other routes return, too."""
    shapes = [{"$ref": f"#/components/schemas/{model.__name__}"} for model in models]
    return {
        "description": "OK",
        "content": {"application/json": {"schema": {"anyOf": shapes}}},
    }


Media = Literal["application/json", "multipart/form-data"]


def one_of(json: type[BaseModel], form: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI request body that is JSON or a form."""
    return {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": f"#/components/schemas/{json.__name__}"}},
            "multipart/form-data": {"schema": form},
        },
    }
