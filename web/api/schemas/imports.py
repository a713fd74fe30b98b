"""Imports and their ledgers."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from visearch.tables.headings import Field
from visearch.tables.preview import Preview as Preview
from visearch.tables.values import Type
from web.api.schemas.base import Problem


class Counts(BaseModel):
    """Where the items of an import stand."""

    items: int | None
    fetched: int
    decoded: int
    embedded: int
    searchable: int
    failed: int


class Waiting(BaseModel):
    """What keeps an import from going on: the server, or a service that it needs."""

    dependency: str
    since: datetime


class Import(BaseModel):
    """An accepted change of a catalog and its progress."""

    id: str
    catalog: str
    status: Literal["received", "running", "succeeded", "partial", "failed", "cancelled"]
    mode: Literal["upsert", "replace"]
    counts: Counts
    progress: float
    eta_s: float | None
    waiting: Waiting | None
    created_at: datetime
    finished_at: datetime | None
    error: Problem | None


class ImportList(BaseModel):
    """A page of imports."""

    items: list[Import]
    next_cursor: str | None


class Item(BaseModel):
    """The fate of one picture of an import.

    One that could not be fetched from its URL yet is pending, with the reason, and is tried again
    at ``next_try_at`` or soon after.
    """

    item: int
    path: str
    product_id: str
    stage: Literal["fetch", "decode", "embed", "index"]
    status: Literal["pending", "searchable", "failed"]
    code: str | None
    detail: str | None
    attempts: int
    next_try_at: datetime | None
    image_url: str | None


class MappingColumn(BaseModel):
    """What is known of a column, and which of it the merchant has stated."""

    field: Field | None
    type: Type | None
    stated: list[Literal["field", "type"]]


class Mapping(BaseModel):
    """What a catalog knows of the columns of its files."""

    columns: dict[str, MappingColumn]


class ItemList(BaseModel):
    """A page of the ledger."""

    items: list[Item]
    next_cursor: str | None
