"""What comes with an import: a file, and what its sender says of the columns in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flask import current_app, request

from visearch.errors import InvalidRequest
from visearch.tables.mapping import Choice, choices_of
from web.api.forms import file_part, text_parts, too_much

STREAM_BYTES = 1 << 20
TABLES = {
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/xml": "xml",
    "text/xml": "xml",
}
"""Media types of tables, and the endings of their names."""


class SentFile:
    """The file in the body of this request: the whole body, or the part ``file`` of a form.

    Without a name of its own it has one by its media type. ``pieces`` yields it as it arrives.
    """

    def __init__(self) -> None:
        """Read a form as far as its file begins.

        Raises:
            InvalidRequest: a form without ``file``.
        """
        self._texts: dict[str, str] = {}
        if request.mimetype == "multipart/form-data":
            part = file_part("file", request.stream.read, self._texts)
            self.name, self.pieces = _name(part.name, part.media), part.pieces
        else:
            self.name, self.pieces = _name("", request.mimetype), _pieces(request.stream.read)

    def choices(self) -> dict[str, Choice]:
        """Return the form's ``mapping``, when all pieces were read."""
        return _choices(self._texts)


def _name(name: str, media: str) -> str:
    ending = TABLES.get(media.partition(";")[0].strip().lower())
    return name if "." in name or ending is None else f"{name}.{ending}"


def _pieces(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while data := read(STREAM_BYTES):
        yield data


def choices_without_file() -> dict[str, Choice]:
    """Return the form's ``mapping``, of a request that names a file and sends none.

    Raises:
        InvalidRequest: it sends one, or the mapping cannot be used.
    """
    if request.mimetype == "multipart/form-data":
        return _choices(text_parts(request.stream.read))
    if request.stream.read(1):
        raise too_much()
    return {}


def _choices(texts: dict[str, str]) -> dict[str, Choice]:
    return choices_of(mapping_of(texts["mapping"])) if texts.get("mapping") else {}


def mapping_of(text: str) -> Any:
    """Return what a JSON text says of columns; raises InvalidRequest."""
    try:
        return current_app.json.loads(text)
    except (ValueError, RecursionError) as error:
        detail = 'The mapping is not valid JSON. Send an object as {"Artikelnr": "id"}.'
        raise InvalidRequest(detail, (("mapping", detail),)) from error
