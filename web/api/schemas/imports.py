"""Imports and their ledgers."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

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
    """The fate of one picture of an import."""

    item: int
    path: str
    product_id: str
    stage: Literal["fetch", "decode", "embed", "index"]
    status: Literal["pending", "searchable", "failed"]
    code: str | None
    detail: str | None
    attempts: int


class ItemList(BaseModel):
    """A page of the ledger."""

    items: list[Item]
    next_cursor: str | None
