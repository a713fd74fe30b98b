"""The JSON shapes of the contract, as pydantic models; unknown request fields are errors."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from web.api.fields import Attributes, CatalogName, Fraction, ProductId, Text


class Request(BaseModel):
    """Base of what clients send."""

    model_config = ConfigDict(extra="forbid")


class FieldProblem(BaseModel):
    """One invalid field."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """An error (RFC 9457), served as ``application/problem+json``."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    errors: list[FieldProblem] | None = None


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


class CatalogSettings(Request):
    """What a merchant decides about a catalog; the metric and encoder stay as created.

    ``target_recall`` is the share of the ten nearest that a search must find; more costs time.
    """

    title: Text | None = Field(None, max_length=200)
    metric: Literal["cosine", "euclidean"] | None = None
    encoder: str | None = None
    target_recall: float | None = Field(None, ge=0.8, le=1.0)


class Generation(BaseModel):
    """The index as it was built last: ``recall`` is recall@10, measured then."""

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
    created_at: datetime
    products: int
    images: int
    index: Generation | None


class NewReindex(Request):
    """Another encoder for a catalog; by default the server's own."""

    encoder: str | None = None
    activate: Literal["auto", "manual"] = "auto"


class ReindexCounts(BaseModel):
    """Live pictures, and how many of them the encoder has embedded."""

    images: int
    embedded: int


class BeforeAndAfter(BaseModel):
    """A share, 0 to 1, with the old encoder and the new one; null where it is not known."""

    old: float | None
    new: float | None


class LabelQuality(BeforeAndAfter):
    """Of the ten nearest, how many have the query's value of an attribute."""

    field: str


class Comparison(BaseModel):
    """Two encoders on the catalog's own pictures.

    ``overlap_at_10``: of the ten nearest, how many stay. ``own_first``: how often a picture,
    edited as a shopper would, finds its own product first.
    """

    queries: int
    gallery: int
    overlap_at_10: float | None
    own_first: BeforeAndAfter | None
    labels: list[LabelQuality]


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


class CatalogList(BaseModel):
    """A page of catalogs."""

    items: list[Catalog]
    next_cursor: str | None


class Queue(BaseModel):
    """A queue; ``reserved`` messages are in workers' hands."""

    depth: int
    reserved: int
    oldest_age_s: float | None


class Worker(BaseModel):
    """A live worker; of search workers, which generation of each catalog they serve."""

    name: str
    role: str
    alive: bool
    queues: list[str]
    encoder: str | None
    index_generation: dict[str, str | None]
    last_seen: datetime


class CatalogState(BaseModel):
    """A catalog as the search workers serve it.

    ``delta`` is the most changes beside a generation, ``fresh_to`` the oldest state that is
    served, ``serving`` how many workers do, ``refused`` how many do without its generation.
    """

    name: str
    products: int
    images: int
    generation: str | None
    recall: float | None
    target_recall: float
    delta: int
    fresh_to: datetime | None
    serving: int
    refused: int


class System(BaseModel):
    """All that an operator watches."""

    queues: dict[str, Queue]
    workers: list[Worker]
    catalogs: list[CatalogState]
    versions: dict[str, str]


class ProductText(Request):
    """A product without its pictures."""

    title: Text | None = Field(None, max_length=2000)
    url: Text | None = Field(None, max_length=4000)
    attributes: Attributes = {}


class NewProduct(ProductText):
    """A product with its pictures inside JSON."""

    images: list[InlineImage] = Field(default=[], max_length=10)


class ProductChanges(Request):
    """Changes that need no new embedding; absent fields stay."""

    title: Text | None = Field(None, max_length=2000)
    url: Text | None = Field(None, max_length=4000)
    attributes: Attributes | None = None


class ProductImage(BaseModel):
    """One picture of a product."""

    id: str
    url: str


class Product(BaseModel):
    """A product."""

    id: str
    title: str | None
    url: str | None
    attributes: dict[str, Any]
    images: list[ProductImage]
    updated_at: datetime


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


class DuplicateList(BaseModel):
    """A page of near-duplicates, and whether newer pictures are still being compared."""

    items: list[Duplicate]
    next_cursor: str | None
    complete: bool


class ProductList(BaseModel):
    """A page of products."""

    items: list[Product]
    next_cursor: str | None


class Counts(BaseModel):
    """Where the items of an import stand."""

    items: int | None
    fetched: int
    decoded: int
    embedded: int
    searchable: int
    failed: int


class Import(BaseModel):
    """An accepted change of a catalog and its progress."""

    id: str
    catalog: str
    status: Literal["received", "running", "succeeded", "partial", "failed", "cancelled"]
    mode: Literal["upsert", "replace"]
    counts: Counts
    progress: float
    eta_s: float | None
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
