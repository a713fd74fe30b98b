"""Catalogs, and their near-duplicates."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from visearch.contract import MAX_SHARDS
from visearch.fields import ProductId
from web.api.fields import Text
from web.api.schemas.base import Request


class CatalogSettings(Request):
    """What a merchant decides about a catalog; its metric, encoder and shards cannot change.

    ``target_recall`` is the share of the ten nearest that a search must find; a higher one costs
    time. ``shards`` is the number of parts of the index, for a catalog larger than a worker's
    memory.
    """

    title: Text | None = Field(None, max_length=200)
    metric: Literal["cosine", "euclidean"] | None = None
    encoder: Text | None = None
    target_recall: float | None = Field(None, ge=0.8, le=1.0)
    shards: int | None = Field(None, ge=1, le=MAX_SHARDS)


class Generation(BaseModel):
    """The index as it was last built; ``recall`` is recall@10 as measured then."""

    id: str
    count: int
    recall: float | None
    target_recall: float
    created_at: datetime


class Catalog(BaseModel):
    """A catalog; ``index`` is null while it is searched without one."""

    name: str
    title: str
    metric: str
    encoder: str
    fingerprint: str
    target_recall: float
    shards: int
    created_at: datetime
    products: int
    images: int
    index: Generation | None


class CatalogList(BaseModel):
    """A page of catalogs."""

    items: list[Catalog]
    next_cursor: str | None


class DuplicateSide(BaseModel):
    """One of two pictures that look the same, and its product."""

    product_id: str
    image_id: str
    title: str | None
    image_url: str
    url: str | None
    attributes: dict[str, Any]


class Duplicate(BaseModel):
    """Two pictures of different products that look the same; ``score`` is their cosine."""

    score: float
    products: tuple[DuplicateSide, DuplicateSide]


class Merge(Request):
    """Two products that are one: ``keep`` gets the pictures of ``drop``, which is deleted."""

    keep: ProductId
    drop: ProductId


class DuplicateList(BaseModel):
    """A page of near-duplicates; ``complete`` is false while newer pictures are being compared."""

    items: list[Duplicate]
    next_cursor: str | None
    complete: bool
