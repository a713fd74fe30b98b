"""Server-sent events: a resource whenever it has changed, until it is over.

The id of an event is a digest of what it says, so a client that comes back with ``Last-Event-ID``
is told nothing twice. Each stream holds a thread: there are few, and none lasts for ever; a browser
that is cut off asks again by itself.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import structlog
from flask import Response, request, stream_with_context

from visearch.errors import Overloaded, VisearchError
from web.services import services

log = structlog.get_logger(__name__)

STREAM_S = 600.0
PULSE_S = 10.0
"""After so long without news a comment is sent: it finds out whether the client is still there."""
RETRY_MS = 2000


EVENTS: dict[str, Any] = {
    "description": "Server-sent events",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}


class News(NamedTuple):
    """What is to be told now: the event's name, its data as JSON, and whether it is the last.

    Where some of the data changes all the time, ``steady`` is the rest: the data is told again
    when that has changed.
    """

    event: str
    data: str
    over: bool
    steady: str = ""


Wait = Callable[[float], object]
"""``wait(seconds)`` returns when there may be news, or after so long."""


def stream(look: Callable[[], News], waiting: AbstractContextManager[Wait]) -> Response:
    """Answer with the news that ``look`` returns, now and whenever ``waiting`` has waited.

    Raises:
        Overloaded: as many streams are open as the server can hold.
    """
    slots = services().streams
    if not slots.acquire(blocking=False):
        detail = "As many event streams are open as the server can hold. Poll, or try again later."
        raise Overloaded(detail)
    told = request.headers.get("Last-Event-ID", "")
    events = stream_with_context(_events(look, waiting, told))
    response = Response(events, mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # for proxies such as nginx
    response.call_on_close(slots.release)
    return response


def _events(
    look: Callable[[], News], waiting: AbstractContextManager[Wait], told: str
) -> Iterator[str]:
    yield f"retry: {RETRY_MS}\n\n"
    end, pulse = time.monotonic() + STREAM_S, time.monotonic() + PULSE_S
    try:
        with waiting as wait:
            while time.monotonic() < end:
                news = look()
                said = f"{news.event}\n{news.steady or news.data}"
                digest = hashlib.sha256(said.encode()).hexdigest()[:16]
                if digest != told:
                    yield f"event: {news.event}\nid: {digest}\ndata: {news.data}\n\n"
                    told, pulse = digest, time.monotonic() + PULSE_S
                elif time.monotonic() > pulse:
                    yield ": \n\n"
                    pulse = time.monotonic() + PULSE_S
                if news.over:
                    return
                wait(1.0)
    except VisearchError as error:  # the client comes back, and is told then
        log.warning("stream_ended", error=error.detail)
