"""How the web front end reads and writes JSON."""

from __future__ import annotations

from typing import Any

from flask import Request
from flask.json.provider import DefaultJSONProvider


class Json(DefaultJSONProvider):
    """Flask's provider, but it keeps the order of keys and refuses too deeply nested JSON."""

    sort_keys = False

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Parse ``s``; raises ValueError if it is not JSON, or nested too deeply to parse."""
        try:
            return super().loads(s, **kwargs)
        except RecursionError as error:
            raise ValueError("The document is nested too deeply.") from error


class JsonRequest(Request):
    """A request whose body is JSON where a route reads JSON, whatever its type is said to be.

    Clients forget the header, or a library sets another. It protects nobody: requests of other
    sites' pages are told by their origin.
    """

    @property
    def is_json(self) -> bool:
        """Always."""
        return True
