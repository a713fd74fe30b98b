"""Forms with files (``multipart/form-data``): read whole, or one file of any size as it arrives.

werkzeug's parser compiles two regular expressions for the boundary of each request, a fifth of
what a search costs here; ``multipart`` compiles none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from flask import request
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from visearch.errors import InvalidRequest

MAX_PARTS = 64
MAX_TEXT_BYTES = 500_000
PIECE_BYTES = 1 << 20
DRAINED_PIECES = 8


@dataclass
class Form:
    """The parts of a form: texts by name, and files by name in order; of a name the first text."""

    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, list[bytes]] = field(default_factory=dict)


def read_form() -> Form:
    """Read the request's form into memory; ``request.max_content_length`` bounds it.

    Raises:
        InvalidRequest: it is cut off, malformed, or has more than ``MAX_PARTS`` parts.
    """
    form = Form()
    part: MultipartSegment | None = None
    pieces: list[bytes] = []
    for event in _events(request.stream.read):
        if isinstance(event, MultipartSegment):
            part, pieces = event, []
        elif event is not None:
            pieces.append(bytes(event))
        elif part is not None:
            _add(form, part, b"".join(pieces))
    return form


def _add(form: Form, part: MultipartSegment, data: bytes) -> None:
    if _is_file(part):
        form.files.setdefault(part.name, []).append(data)
        return
    if len(data) > MAX_TEXT_BYTES:
        detail = f"The field {part.name!r} has more than {MAX_TEXT_BYTES:,} bytes. Shorten it."
        raise InvalidRequest(detail, ((part.name, detail),))
    try:
        form.texts.setdefault(part.name, data.decode())
    except UnicodeDecodeError as error:
        detail = f"The field {part.name!r} is not UTF-8 text. Send it as UTF-8."
        raise InvalidRequest(detail, ((part.name, detail),)) from error


def _is_file(part: MultipartSegment) -> bool:
    """Tell a file from a text: some clients name it by ``filename*`` alone (RFC 5987)."""
    return part.filename is not None or "filename*=" in part.header("Content-Disposition", "")


def file_part(name: str, read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield the form's first part ``name`` as it arrives; ``read(n)`` gives the next bytes.

    Raises:
        InvalidRequest: the form is cut off or malformed, or has no such part.
    """
    ours = found = False
    for event in _events(read):
        if isinstance(event, MultipartSegment):
            ours = not found and event.name == name
            found = found or ours
        elif ours and event:
            yield bytes(event)
    if not found:
        detail = f"The form has no file part named {name!r}. Send the file as {name!r}."
        raise InvalidRequest(detail, ((name, detail),))


def _events(read: Callable[[int], bytes]) -> Iterator[MultipartSegment | bytes | None]:
    """Yield each part, then its bytes in pieces, then None."""
    try:
        boundary = request.mimetype_params.get("boundary", "")
        with PushMultipartParser(boundary, max_segment_count=MAX_PARTS) as parser:
            while not parser.closed:
                yield from parser.parse(read(PIECE_BYTES))
    except MultipartError as error:
        # A client that is still sending when we answer may see a reset instead of the answer.
        for _ in range(DRAINED_PIECES):
            if not read(PIECE_BYTES):
                break
        detail = f"The form is cut off or malformed ({error}). Send it again."
        raise InvalidRequest(detail) from error
