"""Forms with files (``multipart/form-data``): read whole, or one file of any size as it arrives.

werkzeug's parser compiles two regular expressions for the boundary of each request, a fifth of
what a search costs here; ``multipart`` compiles none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from flask import request
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from visearch.errors import InvalidRequest

MAX_PARTS = 64
MAX_TEXT_BYTES = 500_000
PIECE_BYTES = 1 << 20
DRAINED_PIECES = 8

OR_A_FORM = ", or a form with the picture as 'image'"
"""What may be sent in place of JSON, for the end of a sentence."""

_Event: TypeAlias = MultipartSegment | bytes | None
"""The head of a part, some of its bytes, or its end."""


@dataclass
class Form:
    """The parts of a form: texts by name, and files by name in order; of a name the first text."""

    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, list[bytes]] = field(default_factory=dict)


def read_form(*files: str) -> Form:
    """Read the request's form into memory; ``request.max_content_length`` bounds it.

    Parts of the names ``files`` are files even where their client gives them no file name.

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
            _add(form, part, b"".join(pieces), files)
    return form


def _add(form: Form, part: MultipartSegment, data: bytes, files: Collection[str] = ()) -> None:
    if part.name in files or _is_file(part):
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


class FilePart(NamedTuple):
    """A file in a form: what it is called, of which media type, and its bytes as they arrive."""

    name: str
    media: str
    pieces: Iterator[bytes]


class _Texts:
    """Keeps the parts of a form that are no files."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._form = Form(texts=texts)
        self._part: MultipartSegment | None = None
        self._pieces: list[bytes] = []

    def take(self, event: _Event) -> None:
        if isinstance(event, MultipartSegment):
            self._part, self._pieces = None if _is_file(event) else event, []
        elif self._part is None:
            return
        elif event is None:
            _add(self._form, self._part, b"".join(self._pieces))
        elif sum(map(len, self._pieces)) <= MAX_TEXT_BYTES:
            self._pieces.append(bytes(event))


def file_part(name: str, read: Callable[[int], bytes], texts: dict[str, str]) -> FilePart:
    """Return the form's first part ``name``; ``read(n)`` gives the next bytes.

    The other parts that are no files are in ``texts`` when all bytes of the file were taken.

    Raises:
        InvalidRequest: the form is cut off or malformed, or has no such part.
    """
    events, kept = _events(read), _Texts(texts)
    for event in events:
        if isinstance(event, MultipartSegment) and event.name == name:
            pieces = _of_part(events, kept)
            return FilePart(event.filename or "", event.content_type or "", pieces)
        kept.take(event)
    detail = f"The form has no file part named {name!r}. Send the file as {name!r}."
    raise InvalidRequest(detail, ((name, detail),))


def _of_part(events: Iterator[_Event], kept: _Texts) -> Iterator[bytes]:
    """Yield the bytes of the part that has just begun, and read the form to its end."""
    ours = True
    for event in events:
        ours = ours and not isinstance(event, MultipartSegment)
        if not ours:
            kept.take(event)
        elif event:
            yield bytes(event)


def text_parts(read: Callable[[int], bytes]) -> dict[str, str]:
    """Return the form's texts; ``read(n)`` gives the next bytes.

    Raises:
        InvalidRequest: the form is cut off or malformed, or has a file.
    """
    texts: dict[str, str] = {}
    kept = _Texts(texts)
    for event in _events(read):
        if isinstance(event, MultipartSegment) and _is_file(event):
            raise too_much()
        kept.take(event)
    return texts


def too_much() -> InvalidRequest:
    """Return the error of a file that is sent although another one is named."""
    detail = "Send either a file or, as 'upload', the id of one that was previewed."
    return InvalidRequest(detail, (("upload", detail),))


def _events(read: Callable[[int], bytes]) -> Iterator[_Event]:
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
