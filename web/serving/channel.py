"""One connection: how long it may take to send a request, and to read the answer."""

from __future__ import annotations

import socket
import time
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.task import WSGITask

from visearch.errors import RequestTimeout, VisearchError
from web.bodies import REFUSAL
from web.serving.request import Request

LEAST_RATE = 8 * 1024
"""Bytes a second by which a body or an answer must move on."""

LINGER_S = 5.0
"""How long the rest of a refused request is read, so that the client reads the answer."""


class Task(WSGITask):  # type: ignore[misc]  # waitress has no types
    """One request in a worker thread."""

    def get_environment(self) -> dict[str, Any]:
        """Return the WSGI environment, with the error if the request was refused."""
        environ: dict[str, Any] = super().get_environment()
        if self.request.refusal is not None:
            environ[REFUSAL] = self.request.refusal
        return environ

    def build_response_header(self) -> bytes:
        """Return the head of the answer; a server that stops takes no further request."""
        if self.channel.server.stopping:
            self.request.headers["CONNECTION"] = "close"
        return bytes(super().build_response_header())

    def set_close_on_finish(self) -> None:
        """Close only if the client asks for it or could not tell where the answer ends.

        waitress also closes after a 204, a 304 and a streamed answer, whose ends are plain in
        HTTP/1.1.
        """
        asks = self.request.headers.get("CONNECTION", "").lower() == "close"
        if asks or self.version == "1.0" or self.request.command == "HEAD":
            super().set_close_on_finish()


class Pace:
    """Watches one direction of a connection: whether it moves on within ``patience_s``."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._since: float | None = None
        self._mark = 0

    def is_slow(self, now: float, moved: int, *, pending: bool) -> bool:
        """Tell whether it moved too little; ``moved`` counts the bytes of all transfers."""
        if not pending:
            self._since = None
            return False
        if self._since is not None:
            passed = now - self._since
            if passed < self._patience_s:
                return False
            if moved - self._mark < LEAST_RATE * passed:
                return True
        self._since, self._mark = now, moved
        return False


class Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """waitress's connection, with limits on time; its own knows only of complete silence."""

    request: Request | None  # the one that is arriving
    requests: list[Request]  # those that have arrived
    close_when_flushed: bool
    will_close: bool

    task_class = Task
    refused = False
    _head_since: float | None = None
    _lingers_since: float | None = None
    _received = _sent = 0

    def __init__(self, server: Any, sock: socket.socket, *more: Any, **named: Any) -> None:
        self._patience_s: float = server.settings.web_patience_s
        self._inward, self._outward = Pace(self._patience_s), Pace(self._patience_s)
        self._idle_since = time.monotonic()
        super().__init__(server, sock, *more, **named)

    def parser_class(self, adj: Adjustments) -> Request:
        """Return the parser of the next request."""
        return Request(adj, self)

    @property
    def busy(self) -> bool:
        """Whether a request is arriving or being answered."""
        return bool(self.requests or self.total_outbufs_len or self.request is not None)

    @property
    def waits_since(self) -> float | None:
        """When it began to wait for a request's head; None if it has one, or is closing."""
        body = self.request is not None and self.request.headers_finished
        if self.requests or self.total_outbufs_len or body or self.will_close:
            return None
        return self._idle_since if self._head_since is None else self._head_since

    @property
    def receives_file(self) -> bool:
        """Whether the request that is arriving or being served holds a whole catalog."""
        return any(each.receives_file for each in self._present())

    @property
    def held(self) -> int:
        """Bytes of bodies and answers that are held for this client; files are counted apart."""
        bodies = sum(each.held for each in self._present() if not each.receives_file)
        return int(self.total_outbufs_len) + bodies

    @property
    def coming(self) -> int:
        """Bytes of bodies that this client has announced and not sent yet."""
        return sum(each.coming for each in self._present())

    @property
    def arriving(self) -> int:
        """Bytes of the body that is arriving, as far as it has."""
        return 0 if self.request is None else self.request.held

    def _present(self) -> list[Request]:
        return [*self.requests, self.request] if self.request else [*self.requests]

    def received(self, data: bytes) -> bool:
        """Take what has arrived; after a refusal, forget it."""
        if self._lingers_since is not None:
            return True
        if self._head_since is None:
            self._head_since = time.monotonic()
        self._received += len(data)
        return bool(super().received(data))

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Send what the socket takes; returns how much that was."""
        sent: int = super().send(data, do_close)
        self._sent += sent
        return sent

    def service(self) -> None:
        """Serve a request, in a worker thread; then wait for the next one."""
        super().service()
        self._head_since, self._idle_since = None, time.monotonic()

    def handle_write(self) -> None:
        """Send; after a refusal, read on for a while before closing.

        Closing a socket with unread data resets it, and the client may lose the answer.
        """
        ends = self.close_when_flushed and not self.total_outbufs_len
        if not (self.refused and ends and not self.will_close):
            super().handle_write()
            return
        self.close_when_flushed = False
        try:
            self.socket.shutdown(socket.SHUT_WR)
            self._lingers_since = time.monotonic()
        except OSError:  # the client is gone
            self.will_close = True

    def check_time(self, now: float) -> None:
        """Close the connection if the client is too slow; the server calls this every second."""
        if self._lingers_since is not None:
            self.will_close = self.will_close or now - self._lingers_since > LINGER_S
            return
        body = self.request is not None and self.request.headers_finished and not self.requests
        if self._inward.is_slow(now, self._received, pending=body):
            detail = "The body of the request came too slowly. Send it over a faster connection."
            self.give_up(RequestTimeout(detail))
        slow = self._outward.is_slow(now, self._sent, pending=self.total_outbufs_len > 0)
        waits = self.waits_since
        if slow:
            self.drop()
        elif waits is not None and now - waits > self._patience_s:
            self.will_close = True

    def drop(self) -> None:
        """Close at once, whatever is not sent yet; only the server's own thread may do so.

        ``will_close`` is looked at when the socket takes more data, which that of a client who
        reads nothing may never do.
        """
        if self.connected:
            self.handle_close()

    def give_up(self, error: VisearchError) -> None:
        """Refuse the request whose body is arriving."""
        with self.requests_lock:
            request, self.request = self.request, None
            assert request is not None  # only this thread, the server's own, receives
            request.refuse(error)
            self.requests.append(request)
            if len(self.requests) == 1:  # else the thread that serves the one before goes on
                self.server.add_task(self)
