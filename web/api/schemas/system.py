"""What an operator watches."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel


class Queue(BaseModel):
    """A queue; workers hold the ``reserved`` messages."""

    depth: int
    reserved: int
    oldest_age_s: float | None


class Worker(BaseModel):
    """A live worker, and the generation and shards of each catalog that it serves, if any.

    ``last_seen`` is a time by Redis's clock, of which the worker's is ``clock_ahead_s`` ahead.
    """

    name: str
    role: str
    alive: bool
    queues: list[str]
    encoder: str | None
    index_generation: dict[str, str | None]
    shards: dict[str, list[int]]
    last_seen: datetime
    clock_ahead_s: float


class CatalogState(BaseModel):
    """A catalog as the search workers serve it.

    ``delta`` is the largest number of changes that a worker holds beside the generation,
    ``fresh_to`` the time of the oldest state that is served, ``serving`` the least number of
    workers that hold a shard, and ``refused`` the number of workers that serve without the
    catalog's generation. No worker serves the ``missing_shards``.
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
    shards: int
    missing_shards: list[int]


class DamagedSegment(BaseModel):
    """Stored embeddings that were damaged, and the pictures that still lack theirs.

    They are embedded again in the background, except the ``failed`` ones: their pictures are
    damaged too, and their products have to be uploaded again.
    """

    segment: str
    found_at: datetime
    pictures: int
    failed: int


class System(BaseModel):
    """All that an operator watches."""

    queues: dict[str, Queue]
    workers: list[Worker]
    catalogs: list[CatalogState]
    damaged: list[DamagedSegment]
    versions: dict[str, str]
