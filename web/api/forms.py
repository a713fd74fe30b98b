"""Forms with files (``multipart/form-data``): read whole, or one file of any size as it arrives.

werkzeug's parser compiles two regular expressions for the boundary of each request, a fifth of
what a search costs here; ``multipart`` compiles none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import request
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from visearch.errors import InvalidRequest

MAX_PARTS = 64
PIECE_BYTES = 1 << 20


@dataclass
class Form:
    """The parts of a form: texts by name, and files by name in order; of a name the last text."""

    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, list[bytes]] = field(default_factory=dict)


def read_form() -> Form:
    """Read the request's form into memory; ``request.max_content_length`` bounds it.

    Raises:
        InvalidRequest: it is cut off, malformed, or has more than ``MAX_PARTS`` parts.
    """
    form = Form()
    with _parser() as parser:
        part, data = None, bytearray()
        for event in parser.parse(request.get_data(cache=False)):
            if isinstance(event, MultipartSegment):
                part, data = event, bytearray()
            elif event is not None:
                data += event
            elif part is not None:
                _add(form, part, bytes(data))
    return form


def _add(form: Form, part: MultipartSegment, data: bytes) -> None:
    if part.filename is None:
        try:
            form.texts[part.name] = data.decode()
        except UnicodeDecodeError as error:
            detail = f"The field {part.name!r} is not UTF-8 text. Send it as UTF-8."
            raise InvalidRequest(detail, ((part.name, detail),)) from error
    else:
        form.files.setdefault(part.name, []).append(data)


def file_part(name: str, read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield the form's first part ``name`` as it arrives; ``read(n)`` gives the next bytes.

    Raises:
        InvalidRequest: the form is cut off or malformed, or has no such part.
    """
    ours = found = False
    with _parser() as parser:
        while not parser.closed:
            for event in parser.parse(read(PIECE_BYTES)):
                if isinstance(event, MultipartSegment):
                    ours = not found and event.name == name
                    found = found or ours
                elif ours and event:
                    yield bytes(event)
    if not found:
        detail = f"The form has no file part named {name!r}. Send the file as {name!r}."
        raise InvalidRequest(detail, ((name, detail),))


@contextmanager
def _parser() -> Iterator[PushMultipartParser]:
    try:
        boundary = request.mimetype_params.get("boundary", "")
        with PushMultipartParser(boundary, max_segment_count=MAX_PARTS) as parser:
            yield parser
    except MultipartError as error:
        detail = f"The form is cut off or malformed ({error}). Send it again."
        raise InvalidRequest(detail) from error
