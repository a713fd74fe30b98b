"""One request as it arrives: refused as soon as it is malformed, too large or without room.

A refused request goes to the app without its body and with the error, so that the answer is a
problem document like any other. Its connection is closed after that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser, ParsingError
from werkzeug.exceptions import BadRequest, default_exceptions

from visearch.errors import Overloaded
from visearch.importing.admission import disk_problem
from web.bodies import Bound, bound_of

if TYPE_CHECKING:
    from web.serving.channel import Channel

SMALL_FILE = 64 << 20
"""Files up to this size count among what is held for all clients."""

MAX_CHUNK_LINE = 1024
MAX_TRAILER = 16 * 1024


class Request(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """waitress's parser, which stops at the bound of the request's route."""

    # What the app is told of a request that is too malformed to tell.
    command, path, query, request_uri, url_scheme = "GET", "/", "", "/", "http"
    refusal: Exception | None = None
    bound: Bound | None = None

    def __init__(self, adj: Adjustments, channel: Channel) -> None:
        super().__init__(adj)
        self._channel = channel

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the head; refuse a body that has no room, or a file that is one too many."""
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # such as a length of 5,000 digits
            raise ParsingError("The head of the request is malformed.") from error
        server = self._channel.server
        self.bound = bound_of(server.settings, self.command, self.path)
        if self.content_length > self.bound.limit:
            self.refuse(self.bound.refusal())
        elif self.receives_file and server.has_files_enough():
            detail = "The server is receiving as many files as it can. Send this one later."
            self.refuse(Overloaded(detail))
        elif self.content_length > self.adj.inbuf_overflow:  # it goes to the disk
            problem = disk_problem(server.settings, server.coming, self.bound.reserve)
            if problem is not None:
                self.refuse(problem)

    @property
    def receives_file(self) -> bool:
        """Whether a whole catalog is in its body, of a size that has to be bounded by number."""
        is_large = self.chunked or self.content_length > SMALL_FILE
        return bool(
            is_large and self.bound is not None and self.bound.is_file and self.body_rcv is not None
        )

    @property
    def coming(self) -> int:
        """Bytes of the body that were announced and have not arrived."""
        return max(0, self.content_length - self.held)

    @property
    def held(self) -> int:
        """Bytes of the body that are held until the request has been served."""
        return 0 if self.body_rcv is None else len(self.body_rcv.getbuf())

    def received(self, data: bytes) -> int:
        """Take what has arrived; returns how many of its bytes belong to this request."""
        consumed: int = super().received(data)
        if self.error is not None:
            self.refuse(default_exceptions[self.error.code](self.error.body))
        elif self.chunked and self.body_rcv is not None:
            self._check_chunks(self.body_rcv)
        return consumed if self.refusal is None else len(data)

    def _check_chunks(self, receiver: Any) -> None:
        """Refuse a body of unknown length once it is too long; or a line in it without end."""
        if self.bound is not None and len(receiver) > self.bound.limit:
            self.refuse(self.bound.refusal())
        elif len(receiver.control_line) > MAX_CHUNK_LINE or len(receiver.trailer) > MAX_TRAILER:
            self.refuse(BadRequest("A line between the chunks of the body is too long."))

    def refuse(self, error: Exception) -> None:
        """Let the app answer with this error, and nothing more be received."""
        self.close()
        self.refusal, self.error, self.body_rcv = error, None, None
        self.completed, self.expect_continue, self.content_length = True, False, 0
        self.headers.pop("CONTENT_LENGTH", None)
        self.headers["CONNECTION"] = "close"
        self._channel.refused = True
