"""``Idempotency-Key``: a POST that is sent again makes nothing new and gets the same resource.

The first request with a key notes it, together with the id of what it is going to make, before it
makes anything. So not even a server that dies in between leads to two of them.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import unquote

import structlog
from flask import Flask, Response, current_app, g, make_response, request
from werkzeug.exceptions import HTTPException

from visearch.errors import Conflict, IdempotencyMismatch, InvalidRequest, NotFound, VisearchError
from visearch.ids import new_id
from visearch.store import idempotency
from visearch.store.idempotency import Known
from web.services import services

log = structlog.get_logger(__name__)

HEADER = "Idempotency-Key"
WAIT_S, SHORT_WAIT_S = 20.0, 1.0
"""How long a request waits for the answer of an equal one that came before; and if so many wait
already that the threads of the server could run out."""
ABANDONED_S = 300.0
"""A request that has not been answered for so long was lost with its server."""
LOOK_S = 0.05
_PIECE = 1 << 20
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_BOUNDARY = re.compile(r'boundary="?([^";,]{1,200})')


def register(app: Flask) -> None:
    """Look at every POST with a key before and after its view."""
    app.before_request(_begin)
    app.after_request(_end)


def resource_id() -> str:
    """Return the id of what this request makes."""
    return str(g.get("resource_id") or new_id())


def _begin() -> Response | None:
    key = request.headers.get(HEADER)
    if request.method != "POST" or key is None:
        return None
    if not _KEY.fullmatch(key):
        detail = "An idempotency key has 1 to 255 visible ASCII characters. Send another one."
        raise InvalidRequest(detail, ((HEADER, detail),))
    name = hashlib.sha256(f"{request.path}\n{key}".encode()).hexdigest()
    fingerprint, mine = _fingerprint(), new_id()
    g.claimed_at = time.time()
    with services().database.write() as connection:
        known = idempotency.claim(connection, name, fingerprint, mine, g.claimed_at)
    if known is not None and (again := _settle(name, fingerprint, mine, known)):
        return again
    g.idempotency, g.resource_id = name, g.get("resource_id") or mine
    return None


def _settle(name: str, fingerprint: str, mine: str, known: Known | None) -> Response | None:
    """Wait for the answer of the request that came before; None if this one is to be served."""
    with _slot() as is_free:
        end = time.monotonic() + (WAIT_S if is_free else SHORT_WAIT_S)
        while known is not None:
            if known.fingerprint != fingerprint:
                raise IdempotencyMismatch(
                    "Another request was sent with this idempotency key. Send a new key with a new "
                    "request."
                )
            if known.status is not None:
                return _again(known.location or "", known.status)
            is_lost = time.time() - known.created_at > ABANDONED_S
            if is_lost and (lost := _take_over(name, known)):
                return lost
            if time.monotonic() > end:
                raise Conflict("The first request with this key is still being served. Try again.")
            time.sleep(LOOK_S)
            known = _look(name, fingerprint, mine)
    return None


@contextmanager
def _slot() -> Iterator[bool]:
    """Hold a slot of the requests that wait, if one is free; yields whether it was."""
    slots = services().waiting
    held = slots.acquire(blocking=False)
    try:
        yield held
    finally:
        if held:
            slots.release()


def _look(name: str, fingerprint: str, mine: str) -> Known | None:
    """Return the request that has the key; None if it is this one's by now."""
    if g.get("resource_id"):
        return None  # taken over
    with services().database.read() as connection:
        known = idempotency.read(connection, name)
    if known is not None:
        return known
    with services().database.write() as connection:  # the first one made nothing
        g.claimed_at = time.time()
        return idempotency.claim(connection, name, fingerprint, mine, g.claimed_at)


def _take_over(name: str, known: Known) -> Response | None:
    """Answer for a server that died, if it had made the resource; else make it in its place."""
    g.claimed_at = time.time()
    with services().database.write() as connection:
        if not idempotency.take_over(connection, name, known, g.claimed_at):
            return None
    location = f"{request.path}/{known.resource}"
    try:
        response = _again(location, 202)
    except (NotFound, HTTPException):  # it had not, or makes nothing that can be read there
        g.resource_id, g.took_over = known.resource, True
        return None
    with services().database.write() as connection:
        idempotency.finish(connection, name, 202, location)
    return response


def _end(response: Response) -> Response:
    name = g.get("idempotency")
    if name is None:
        return response
    location = response.headers.get("Location", "")
    try:
        with services().database.write() as connection:
            if response.status_code < 300 and location:
                idempotency.finish(connection, name, response.status_code, location)
            elif not (g.get("took_over") and response.status_code == 409):
                # Else the one that was given up for lost has made it after all.
                idempotency.release(connection, name, g.claimed_at)
    except VisearchError as error:  # the answer stands; the next request with the key waits
        log.warning("idempotency_not_noted", error=error.detail)
    return response


def _again(location: str, status: int) -> Response:
    """Answer with the resource as it is now, and the status of the first answer."""
    adapter = current_app.create_url_adapter(request)
    assert adapter is not None  # there is one for every request
    endpoint, arguments = adapter.match(unquote(location), "GET")
    view = cast(Any, current_app.view_functions[endpoint])
    response = make_response(view(**arguments))
    response.status_code = status
    response.headers["Location"] = location
    response.headers["Idempotency-Replayed"] = "true"
    return response


def _fingerprint() -> str:
    """Return a digest of what is asked, whatever boundary its form has."""
    found = _BOUNDARY.search(request.content_type or "")
    boundary = found[1].encode() if found else b""
    seen = hashlib.sha256(f"{request.mimetype}\n{request.query_string!r}\n".encode())
    stream, carry = request.environ["wsgi.input"], b""
    while piece := stream.read(_PIECE):
        whole = carry + piece
        if boundary:
            whole = whole.replace(boundary, b"")
            keep = len(boundary) - 1
            whole, carry = whole[: max(0, len(whole) - keep)], whole[max(0, len(whole) - keep) :]
        seen.update(whole)
    seen.update(carry)
    stream.seek(0)
    return seen.hexdigest()
