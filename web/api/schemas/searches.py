"""Searches as clients send and read them; their fields are those of ``visearch.searches``."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, create_model, model_validator
from pydantic_core import PydanticCustomError

from visearch.searches import Answer, SearchQuery
from web.api.fields import PictureUrl
from web.api.schemas.base import Problem, Request


class ImageRef(Request):
    """A picture inside JSON: its bytes, or the http or https URL from which it is fetched."""

    base64: str | None = None
    url: PictureUrl | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.base64 is None) == (self.url is None):
            raise PydanticCustomError("image", "Give either 'url' or 'base64'.")
        return self


class NewSearch(SearchQuery):
    """A search as JSON: by picture, or by product ("more like this")."""

    image: ImageRef | None = None


def _once_answered() -> type[BaseModel]:
    """Return the fields of an answer, each null until there is one."""
    fields: dict[str, Any] = {
        name: (field.annotation | None, None)  # type: ignore[operator]  # of types, known at run time
        for name, field in Answer.model_fields.items()
    }
    return create_model("OnceAnswered", **fields)


class _State(BaseModel):
    id: str
    status: Literal["queued", "running", "succeeded", "failed", "expired", "cancelled"]
    created_at: datetime
    finished_at: datetime | None
    catalog: str
    cached: bool


class Search(_once_answered(), _State):  # type: ignore[misc]  # a base made at run time
    """A search and, once it has succeeded, its results."""

    error: Problem | None = None


def search_form() -> dict[str, Any]:
    """Return the JSON schema of a search as a form: a query, each field as text, and a file."""
    fields: dict[str, Any] = {"image": {"type": "string", "format": "binary"}}
    for name, schema in SearchQuery.model_json_schema()["properties"].items():
        if name != "product":
            fields[name] = _as_text(schema)
    return {"type": "object", "required": ["image"], "properties": fields}


def _as_text(schema: dict[str, Any]) -> dict[str, Any]:
    """Return how a form sends a field: what is no plain value as JSON in a text."""
    plain = schema
    for option in schema.get("anyOf", ()):
        if option["type"] != "null":
            plain = option
    if plain["type"] in ("array", "object"):
        return {"type": "string", "description": f"JSON {plain['type']}"}
    shown = plain | schema
    if shown.get("default", 0) is None:
        del shown["default"]  # a form leaves the field out
    return {key: value for key, value in shown.items() if key not in ("anyOf", "title")}


def json_fields() -> tuple[str, ...]:
    """Return the names of the fields that a form sends as JSON."""
    form = search_form()["properties"]
    return tuple(name for name, field in form.items() if "JSON" in field.get("description", ""))
