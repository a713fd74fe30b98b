"""One search as every part of the system speaks of it: the query and its answer.

The web reads a ``SearchQuery`` from a request, a worker turns it into an ``Answer``, and
``visearch.Catalog`` does both in one process. A field of a query or of an answer is declared here:
the form, the JSON, the OpenAPI document, the messages and the cache's names are derived. Only
``Catalog.search`` names again those that embedded users may give.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from visearch import rules
from visearch.errors import InvalidRequest, VisearchError
from visearch.fields import CatalogName, Fraction, ProductId
from visearch.records import Focus, Metric

LOWEST: dict[Metric, float] = {"cosine": -1.0, "euclidean": -2.0}
"""The lowest score of two unit vectors."""
HIGHEST: dict[Metric, float] = {"cosine": 1.0, "euclidean": 0.0}
"""The score of a vector with itself."""

Facet = Annotated[str, Field(max_length=rules.LONGEST_FACET)]
Filter = Annotated[
    dict[str, Any],
    Field(
        max_length=rules.MAX_FILTER_FIELDS,
        description=f"As JSON, it has at most {rules.MAX_FILTER_BYTES:,} bytes.",
    ),
]
Offset = Annotated[int, Field(ge=0, le=10_000)]


class ProductRef(BaseModel):
    """Names a product whose picture is the query; ``catalog`` defaults to the searched one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    catalog: CatalogName | None = None
    id: ProductId


class SearchQuery(BaseModel):
    """What a search asks for. The picture's bytes travel beside it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    catalog: CatalogName = "default"
    limit: int = Field(20, ge=1, le=100)
    offset: Offset = 0
    box: tuple[Fraction, Fraction, Fraction, Fraction] | None = None
    filter: Filter | None = None
    min_score: float | None = Field(None, ge=LOWEST["euclidean"], le=HIGHEST["cosine"])
    group: bool = False
    facets: list[Facet] = Field(default=[], max_length=rules.MAX_FACETS)
    product: ProductRef | None = None
    focus: Focus | None = None

    @field_validator("box")
    @classmethod
    def _has_area(cls, box: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if box is not None and not (box[0] < box[2] and box[1] < box[3]):
            detail = "A box is [x0, y0, x1, y1] with x0 < x1 and y0 < y1."
            raise PydanticCustomError("box", detail)
        return box

    @field_validator("filter")
    @classmethod
    def _is_short(cls, where: dict[str, Any] | None) -> dict[str, Any] | None:
        size = len(json.dumps(where, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        if where is not None and size > rules.MAX_FILTER_BYTES:
            detail = (
                f"A filter has at most {rules.MAX_FILTER_BYTES:,} bytes as JSON, not {size:,}. "
                "Name fewer or shorter values."
            )
            raise PydanticCustomError("filter", detail)
        return where

    def check_scores(self, metric: Metric) -> None:
        """Raise InvalidRequest if ``min_score`` is below every score of the catalog's metric."""
        if self.min_score is not None and self.min_score < LOWEST[metric]:
            detail = (
                f"min_score is {self.min_score:g}, but no {metric} score is below "
                f"{LOWEST[metric]:g}. Send {LOWEST[metric]:g} or more."
            )
            raise InvalidRequest(detail, (("/min_score", detail),))


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


class FacetValue(BaseModel):
    """How many products that pass the filter have this value of an attribute."""

    model_config = ConfigDict(frozen=True)

    value: str | int | float | bool
    count: int


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


class Answer(BaseModel):
    """What a search found, when, and in which state of the catalog."""

    results: list[Hit]
    total: int
    facets: dict[str, list[FacetValue]]
    timings_ms: Timings
    index: IndexState
    encoder: str
    shards: Shards

    @property
    def complete(self) -> bool:
        """Whether every shard of the catalog has answered."""
        return self.shards.answered == self.shards.asked


class Failure(BaseModel):
    """Why a search failed; ``fields`` are pairs of a JSON pointer and what is wrong there."""

    code: str
    detail: str
    fields: list[tuple[str, str]]

    @classmethod
    def of(cls, error: VisearchError) -> Failure:
        """Return the failure that an error means."""
        fields = list(error.fields) if isinstance(error, InvalidRequest) else []
        return cls(code=error.code, detail=error.detail, fields=fields)
