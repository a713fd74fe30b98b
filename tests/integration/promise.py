"""Holds answers against the OpenAPI document: declared status, declared shape, our headers."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

ROOT = "urn:openapi"


class Promise:
    """The document, ready to check answers with."""

    def __init__(self, document: dict[str, Any]) -> None:
        resource = Resource.from_contents(document, default_specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource(ROOT, resource)
        # The longest template first: `…/imports/{id}/items` before `…/imports/{id}`.
        self._paths = [
            (re.compile(_pattern(path)), operations)
            for path, operations in sorted(document["paths"].items(), key=lambda p: -len(p[0]))
        ]

    def check(self, response: httpx.Response) -> None:
        """Fail unless the document promised this answer (addresses outside it are free)."""
        assert response.headers.get("X-Request-ID"), "no X-Request-ID"
        assert response.status_code != 500, response.read().decode()
        operation = self._operation(response.request)
        if operation is None or response.status_code in (304, 405):
            return
        promised = operation["responses"].get(str(response.status_code))
        where = f"{response.request.method} {response.request.url.path}"
        assert promised is not None, f"{where} may not answer {response.status_code}"
        if response.status_code == 204:
            assert not response.read(), f"{where}: a body with 204"
            return
        media = response.headers.get("content-type", "").partition(";")[0]
        if response.status_code >= 400 and "healthz" not in where and "readyz" not in where:
            assert media == "application/problem+json", f"{where}: {media}"
        if media in ("text/event-stream", "image/jpeg"):
            assert media in promised["content"], where  # it is no JSON, or comes later
        elif media in promised.get("content", {}):
            schema = promised["content"][media]["schema"]
            self.validate(json.loads(response.read()), schema)
        else:
            assert media in ("text/csv", "application/x-ndjson"), f"{where}: {media}"

    def validate(self, value: Any, schema: dict[str, Any]) -> None:
        """Fail unless ``value`` is valid; references are those of the document."""
        absolute = json.loads(json.dumps(schema).replace('"#/', f'"{ROOT}#/'))
        Draft202012Validator(absolute, registry=self._registry).validate(value)

    def _operation(self, request: httpx.Request) -> dict[str, Any] | None:
        for pattern, operations in self._paths:
            if pattern.fullmatch(request.url.path):
                found: dict[str, Any] | None = operations.get(request.method.lower())
                if found is not None:
                    return found
        return None


def _pattern(path: str) -> str:
    return re.sub(
        r"\\{product_id\\}", ".+", re.sub(r"\\{(?!product_id)\w+\\}", "[^/]+", re.escape(path))
    )
