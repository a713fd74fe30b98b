"""The mapping of a catalog: what the columns of its files are, as its merchant says."""

from __future__ import annotations

from typing import Any, Literal

from flask import Response, request
from flask_openapi.blueprint import APIBlueprint

from visearch.errors import InvalidRequest
from visearch.store import catalogs, feeds, mappings
from visearch.tables.headings import FIELDS
from visearch.tables.mapping import MOST_SAVED, SavedColumn, SavedMapping, choices_of
from visearch.tables.values import TYPES
from web.api import schemas
from web.api.catalogs import CatalogPath
from web.api.common import problems, reply
from web.api.uploads import mapping_of
from web.services import services

api = APIBlueprint("mappings", __name__, url_prefix="/v1/catalogs/<string:catalog>/mapping")

_FIELD: dict[str, Any] = {"type": "string", "enum": [*FIELDS]}
_CHOICE: dict[str, Any] = {
    "type": "object",
    "properties": {"field": _FIELD, "type": {"type": "string", "enum": [*TYPES]}},
    "additionalProperties": False,
}
_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"type": "object", "additionalProperties": {"anyOf": [_FIELD, _CHOICE]}}
        }
    },
}


@api.get("", summary="Read the mapping", responses={200: schemas.Mapping, **problems(404)})
def get_mapping(path: CatalogPath) -> Response:
    """Return what the catalog knows of its files' columns: what was stated, types that were found.

    ``stated`` tells which of both the merchant has said.
    """
    with services().database.read() as connection:
        catalog = catalogs.get(connection, path.catalog)
        return _reply(mappings.of_catalog(connection, catalog.pk))


@api.put(
    "",
    summary="State the mapping",
    request_body=_BODY,
    responses={200: schemas.Mapping, **problems(404, 413, 422)},
)
def put_mapping(path: CatalogPath) -> Response:
    """Say what columns are, in place of all that was said before; later imports go by it."""
    choices = choices_of(mapping_of(request.get_data(as_text=True)))
    if len(choices) > MOST_SAVED:
        detail = f"A mapping has at most {MOST_SAVED:,} columns. Name those that are guessed wrong."
        raise InvalidRequest(detail, (("mapping", detail),))
    with services().database.write() as connection:
        catalog = catalogs.get(connection, path.catalog)
        catalogs.lock(connection, catalog.pk)
        old = mappings.of_catalog(connection, catalog.pk)
        new = old.without_stated().stated(choices)
        mappings.save(connection, catalog.pk, new)
        feeds.unsettle(connection, catalog.pk)
    return _reply(new)


@api.delete("", summary="Forget the mapping", responses={204: None, **problems(404)})
def delete_mapping(path: CatalogPath) -> Response:
    """Forget what was stated, and what was found: the next file is read as the first one was."""
    with services().database.write() as connection:
        catalog = catalogs.get(connection, path.catalog)
        catalogs.lock(connection, catalog.pk)
        mappings.forget(connection, catalog.pk)
        feeds.unsettle(connection, catalog.pk)
    return Response(status=204)


def _reply(mapping: SavedMapping) -> Response:
    columns = {name: _column(each) for name, each in mapping.columns.items()}
    return reply(schemas.Mapping(columns={n: each for n, each in columns.items() if each}))


def _column(saved: SavedColumn) -> schemas.MappingColumn | None:
    if saved.field is None and saved.type is None:
        return None
    stated: list[Literal["field", "type"]] = ["field"] if saved.field else []
    if saved.type_stated:
        stated.append("type")
    return schemas.MappingColumn(field=saved.field, type=saved.type, stated=stated)
