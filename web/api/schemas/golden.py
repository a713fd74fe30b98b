"""Shapes of golden queries, and of a catalog's quality."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from visearch.fields import ProductId
from visearch.rules import MOST_GOLDEN_PRODUCTS
from web.api.schemas.base import Problem, Request
from web.api.schemas.searches import ImageRef


def _once(ids: list[str]) -> list[str]:
    return list(dict.fromkeys(ids))


class GoldenProducts(Request):
    """The products of which one ought to be found, without the picture."""

    products: Annotated[
        list[ProductId],
        Field(min_length=1, max_length=MOST_GOLDEN_PRODUCTS),
        AfterValidator(_once),
    ]


class NewGoldenQuery(GoldenProducts):
    """A picture as a shopper sends it, and the products of which one ought to be found."""

    image: ImageRef


class GoldenCheck(BaseModel):
    """At which place a check found an expected product; ``rank`` is null where it found none."""

    rank: int | None
    checked_at: datetime
    generation: str | None
    encoder: str


class GoldenQuery(BaseModel):
    """A golden query and its last check; ``checked_at`` is null before the first one.

    ``rank`` is the best place of an expected product among the first hundred, each product counted
    once; null where none was found. ``previous`` is the last check under another index generation
    or encoder, ``error`` says why a later try had no result.
    """

    name: str
    catalog: str
    products: list[str]
    image_url: str
    rank: int | None
    checked_at: datetime | None
    generation: str | None
    encoder: str | None
    previous: GoldenCheck | None
    error: Problem | None
    created_at: datetime
    updated_at: datetime


class GoldenQueryList(BaseModel):
    """A page of golden queries."""

    items: list[GoldenQuery]
    next_cursor: str | None


class GoldenCounts(BaseModel):
    """How many golden queries find a product first, among the first ten (those too), or not at all.

    ``unchecked`` have not been checked yet; ``checked_at`` is the time of the last check.
    """

    queries: int
    first: int
    in_ten: int
    not_found: int
    unchecked: int
    checked_at: datetime | None


class Quality(BaseModel):
    """How well a catalog is searched.

    ``recall`` is recall@10 as measured at ``measured_at``, when the index ``generation`` was built;
    all three are null while the catalog is searched without one, which finds everything.
    """

    catalog: str
    encoder: str
    generation: str | None
    recall: float | None
    target_recall: float
    measured_at: datetime | None
    golden: GoldenCounts
