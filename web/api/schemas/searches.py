"""Searches, hits and facets."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator
from pydantic_core import PydanticCustomError

from web.api.fields import CatalogName, Fraction, ProductId
from web.api.schemas.base import Problem, Request


class Hit(BaseModel):
    """One result of a search; a higher score is closer."""

    rank: int
    product_id: str
    image_id: str
    score: float
    title: str | None
    image_url: str
    url: str | None
    attributes: dict[str, Any]


class Timings(BaseModel):
    """Milliseconds of each part of a search."""

    queue: float
    decode: float
    encode: float
    search: float
    hydrate: float
    total: float


class IndexState(BaseModel):
    """Which state of the index answered."""

    generation: str | None
    fresh_to: datetime


class Shards(BaseModel):
    """How many shards of the catalog were asked; without all answers a result is partial."""

    asked: int
    answered: int


class FacetValue(BaseModel):
    """How many products that pass the filter have this value of an attribute."""

    value: str | int | float | bool
    count: int


class Search(BaseModel):
    """A search and, once it has succeeded, its results."""

    id: str
    status: Literal["queued", "running", "succeeded", "failed", "expired", "cancelled"]
    created_at: datetime
    finished_at: datetime | None
    catalog: str
    cached: bool
    results: list[Hit] | None = None
    total: int | None = None
    facets: dict[str, list[FacetValue]] | None = None
    timings_ms: Timings | None = None
    index: IndexState | None = None
    encoder: str | None = None
    shards: Shards | None = None
    error: Problem | None = None


class InlineImage(Request):
    """A picture inside JSON."""

    base64: str


class ProductRef(Request):
    """Names a product whose picture is the query; ``catalog`` defaults to the searched one."""

    catalog: CatalogName | None = None
    id: ProductId


class SearchOptions(Request):
    """What both forms of a search share."""

    catalog: CatalogName = "default"
    limit: int = Field(20, ge=1, le=100)
    offset: int = Field(0, ge=0, le=10_000)
    box: tuple[Fraction, Fraction, Fraction, Fraction] | None = None
    filter: dict[str, Any] | None = None
    min_score: float | None = Field(None, ge=-1, le=1)
    group: bool = False
    facets: list[str] = Field(default=[], max_length=16)

    @field_validator("box")
    @classmethod
    def _has_area(cls, box: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if box is not None and not (box[0] < box[2] and box[1] < box[3]):
            raise PydanticCustomError("box", "a box is [x0, y0, x1, y1] with x0 < x1 and y0 < y1")
        return box


class NewSearch(SearchOptions):
    """A search as JSON: by picture, or by product ("more like this")."""

    image: InlineImage | None = None
    product: ProductRef | None = None
