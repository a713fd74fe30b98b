"""The OpenAPI document at /openapi.json and its reader at /docs."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from flask import Response, redirect
from flask_openapi.models.schema import Schema
from flask_openapi.openapi import OpenAPI
from flask_openapi.utils import get_model_schema
from flask_openapi_swagger.plugins import RegisterPlugin
from pydantic import BaseModel

from web.api import schemas
from web.pages import POLICY

_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def register(app: OpenAPI) -> None:
    """Serve the OpenAPI document and its reader."""
    for model in (
        schemas.NewSearch,
        schemas.NewProduct,
        schemas.ProductChanges,
        schemas.NewGoldenQuery,
    ):
        _add_schema(app, model)
    document = _promises(app)
    app.add_url_rule("/openapi.json", "openapi", lambda: document)
    # The reader loads the document by an address relative to its own.
    reader = RegisterPlugin.register(doc_url="../openapi.json")
    reader.after_request(_guard)
    app.register_blueprint(reader, url_prefix="/docs")
    app.add_url_rule("/docs", "docs", lambda: redirect("/docs/swagger"))


def _promises(app: OpenAPI) -> dict[str, Any]:
    """Return the document without the 422 that flask-openapi adds to every operation."""
    document: dict[str, Any] = app.api_doc
    for operations in document["paths"].values():
        for operation in operations.values():
            if "application/problem+json" not in operation["responses"]["422"]["content"]:
                del operation["responses"]["422"]
    return document


def _add_schema(app: OpenAPI, model: type[BaseModel]) -> None:
    """Add a request model that a route reads itself, because it also takes a form."""
    schema = get_model_schema(model)
    definitions = schema.pop("$defs", {})
    for name, value in {**definitions, model.__name__: schema}.items():
        app.components_schemas[name] = Schema(**value)


def _guard(response: Response) -> Response:
    """Let the reader's page run its own scripts, and no other that finds its way into it.

    Its scripts set styles as they please, so styles are free.
    """
    if response.mimetype == "text/html":
        digests = [_digest(script) for script in _INLINE_SCRIPT.findall(response.get_data(True))]
        scripts = " ".join(("script-src 'self'", *digests))
        styles = "style-src 'self' 'unsafe-inline'"
        response.headers["Content-Security-Policy"] = "; ".join((POLICY, scripts, styles))
        response.headers["Referrer-Policy"] = "same-origin"
    return response


def _digest(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
