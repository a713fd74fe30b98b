"""The rows of an NDJSON manifest."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, cast

from visearch.archives.lines import broken
from visearch.archives.row import Row, bad_row, make_row
from visearch.records import Attributes

_RESERVED = ("image", "title", "url")
# No database column takes these; JSON can escape both, UTF-8 can hold only the first.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class _Unusable(Exception):
    """Internal: becomes the row's ``problem``, not an error of the import."""


def json_rows(lines: Iterator[tuple[int, str]]) -> Iterator[Row]:
    """Yield one row per object; a value of the wrong type makes a bad row.

    Args:
        lines: ``(number, line)``, each a JSON object; blank lines are skipped.

    Raises:
        ArchiveCorrupt: a line is not a JSON object.
    """
    for line, text in lines:
        if text.strip():
            fields = _fields(line, text)
            try:
                yield _row(line, fields)
            except _Unusable as problem:
                yield bad_row(line, str(problem), _claimed_id(fields))


def _fields(line: int, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise broken(line, f"this is not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise broken(line, "this is not a JSON object; write one object per line")
    return {key.strip(): field for key, field in value.items() if field is not None}


def _row(line: int, fields: dict[str, Any]) -> Row:
    key = "id" if "id" in fields else "sku"
    images = fields.get("image", [])
    texts = (_string(fields, "title"), _string(fields, "url"))
    attributes: Attributes = {
        _storable(name): _attribute(name, value)
        for name, value in fields.items()
        if name not in (key, *_RESERVED)
    }
    cells = _strings("image", images if isinstance(images, list) else [images])
    return make_row(line, _id(fields.get(key, "")), cells, texts, attributes)


def _id(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise _Unusable("the id is neither text nor an integer")
    return value.strip()


def _claimed_id(fields: dict[str, Any]) -> str:
    """Return the id that a bad row means, as well as it can be told; "" if it cannot.

    An import that replaces the catalog must not delete what its file names, however badly.
    """
    value = fields.get("id", fields.get("sku", ""))
    return str(value).strip() if isinstance(value, str | int | float) else ""


def _string(fields: dict[str, Any], name: str) -> str | None:
    return _strings(name, [fields.get(name, "")])[0].strip()


def _strings(name: str, values: list[Any]) -> list[str]:
    if not all(isinstance(value, str) for value in values):
        raise _Unusable(f"{_shown(name)} is not text")
    return [_storable(value) for value in values]


def _attribute(name: str, value: Any) -> str | float | bool | list[str]:
    if not name:
        raise _Unusable("an attribute has no name")
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, list):
        return _strings(name, value)
    if isinstance(value, (bool, int, float)) and _finite(value):
        return cast(float, value)
    raise _Unusable(
        f"attribute {_shown(name)} is not text, a number, true or false, or a list of texts"
    )


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer too large for a float
        return False


def _storable(text: str) -> str:
    if _UNSTORABLE.search(text):
        raise _Unusable("a text contains a NUL character or half of a surrogate pair")
    return text


def _shown(name: str) -> str:
    return ascii(name[:80])
