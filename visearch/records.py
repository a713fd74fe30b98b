"""The records that are passed between layers: plain, frozen and independent of storage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

Metric = Literal["cosine", "euclidean"]
Focus = Literal["product", "kind", "look"]
"""What a search may be about: this very product, things of its kind, or things that look so."""

Attributes = dict[str, "str | float | bool | list[str]"]

ACTIVE = ("received", "running")
TERMINAL_IMPORT = ("succeeded", "partial", "failed", "cancelled")
TERMINAL_SEARCH = ("succeeded", "failed", "expired", "cancelled")


TARGET_RECALL = 0.98
"""Recall@10 that a catalog's index promises unless the catalog says otherwise."""


def now() -> datetime:
    """Return the current time in UTC, timezone-aware."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """One searchable collection. ``revision`` grows with every visible change.

    A picture's shard is its key modulo ``shards``. ``weights`` say how much each part of an
    embedding counts in a search (None: as the encoder says).
    """

    pk: int
    name: str
    title: str
    metric: Metric
    encoder: str
    fingerprint: str
    dimension: int
    revision: int
    generation: str | None
    target_recall: float
    shards: int
    created_at: datetime
    weights: Mapping[str, float] | None = field(default=None, hash=False)


@dataclass(frozen=True, kw_only=True)
class Image:
    """One picture of a product, as stored."""

    id: str
    sha256: str
    thumbnail: str


@dataclass(frozen=True, kw_only=True)
class Product:
    """One product of a catalog with its live pictures."""

    id: str
    title: str | None
    url: str | None
    description: str | None
    attributes: Attributes
    images: tuple[Image, ...]
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many items of an import reached each stage; ``items`` is None until the file is read."""

    items: int | None
    fetched: int
    decoded: int
    embedded: int
    searchable: int
    failed: int


@dataclass(frozen=True, kw_only=True)
class Import:
    """One accepted change to a catalog: a file, or a single product.

    ``planned`` says whether its file was read to the end; ``attempt`` counts the readings, and
    ``tries`` those that failed by themselves, from 1. ``planner`` is the worker that reads it now.
    ``waiting_for`` names the dependency that keeps it waiting, if one does. ``given_up`` counts the
    failed pictures whose work failed on every try. ``guard`` is the share of the catalog that a
    ``replace`` may remove, if it was accepted with one.
    """

    pk: int
    id: str
    catalog: str
    catalog_pk: int
    accepted: int
    mode: Literal["upsert", "replace"]
    media: Literal["zip", "tar", "table", "blobs"]
    source: str
    status: str
    planned: bool
    counts: Counts
    given_up: int
    error_code: str | None
    error_detail: str | None
    request_id: str
    attempt: int
    tries: int
    planner: str | None
    waiting_for: str | None
    waiting_since: datetime | None
    created_at: datetime
    finished_at: datetime | None
    guard: float | None = None


@dataclass(frozen=True, kw_only=True)
class ImportItem:
    """One picture of an import, and what became of it.

    Where it is put off, ``code`` and ``detail`` say why, and ``next_try_at`` until when.
    """

    item: int
    path: str
    product_id: str
    stage: str
    status: str
    code: str | None
    detail: str | None
    attempts: int
    thumbnail: str | None
    next_try_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class PlannedItem:
    """One picture that an import will add.

    ``locator`` says where its bytes are: in the archive (see ``visearch.archives``), in the blob
    store (``blob``, a digest), or behind a ``url``. An item that cannot be
    planned has a ``code`` and a ``detail`` instead. ``row`` numbers the row of the file that
    describes the picture: items of one row have the same title, URL, description and attributes.
    ``digest`` is one of all that the file says of the product, where it says it in one row that
    names its pictures by URL, and somebody asked; ``done`` says that the catalog has it already.
    """

    path: str
    product_id: str
    position: int
    title: str | None = None
    url: str | None = None
    description: str | None = None
    attributes: Attributes = field(default_factory=dict)
    locator: dict[str, Any] = field(default_factory=dict)
    size: int = 0
    row: int = 0
    code: str | None = None
    detail: str | None = None
    digest: str = ""
    done: bool = False


class Neighbour(NamedTuple):
    """One row of an index answer: an image's key and its score (higher is closer)."""

    image: int
    score: float
