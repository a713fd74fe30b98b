"""A catalog's way to another encoder."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from web.api.fields import Text
from web.api.schemas.base import Request


class NewReindex(Request):
    """Another encoder for a catalog; by default the server's own."""

    encoder: Text | None = None
    activate: Literal["auto", "manual"] = "auto"


class ReindexCounts(BaseModel):
    """Live pictures, how many the encoder has embedded, and of how many it has no vector."""

    images: int
    embedded: int
    failed: int


class ReindexFailure(BaseModel):
    """A live picture that the encoder has no vector of, and why."""

    image_id: str
    product_id: str
    code: str
    detail: str


class ReindexFailureList(BaseModel):
    """A page of pictures."""

    items: list[ReindexFailure]
    next_cursor: str | None


class BeforeAndAfter(BaseModel):
    """A share, 0 to 1, with the old encoder and with the new one; null where it is unknown."""

    old: float | None
    new: float | None


class LabelQuality(BeforeAndAfter):
    """The share of the ten nearest pictures that have the query's value of an attribute."""

    field: str


class GoldenQuality(BeforeAndAfter):
    """The share of a catalog's golden queries that find a product among the first ten."""

    queries: int


class Comparison(BaseModel):
    """Two encoders compared on the catalog's own pictures.

    ``overlap_at_10``: the share of the ten nearest pictures that stay. ``own_first``: how often
    a picture that was edited as a shopper's would be finds its own product first. ``golden``: how
    often a golden query finds a product that it ought to find; null without golden queries.
    """

    queries: int
    gallery: int
    overlap_at_10: float | None
    own_first: BeforeAndAfter | None
    labels: list[LabelQuality]
    golden: GoldenQuality | None = None


class Reindex(BaseModel):
    """A catalog's way to another encoder (``former``: back to the one before)."""

    id: str
    catalog: str
    encoder: str
    fingerprint: str
    activate: Literal["auto", "manual", "now"]
    status: Literal["running", "ready", "active", "former", "superseded", "cancelled", "failed"]
    ready: bool
    counts: ReindexCounts
    progress: float
    comparison: Comparison | None
    code: str | None
    detail: str | None
    created_at: datetime
    finished_at: datetime | None


class ReindexList(BaseModel):
    """A catalog's reindexes that somebody may still act on, oldest first."""

    items: list[Reindex]
