"""What an operator watches."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel


class Queue(BaseModel):
    """A queue; ``reserved`` messages are in workers' hands."""

    depth: int
    reserved: int
    oldest_age_s: float | None


class Worker(BaseModel):
    """A live worker; of those that search, which generation and
    shards of each catalog they serve."""

    name: str
    role: str
    alive: bool
    queues: list[str]
    encoder: str | None
    index_generation: dict[str, str | None]
    shards: dict[str, list[int]]
    last_seen: datetime


class CatalogState(BaseModel):
    """A catalog as the search workers serve it.

    ``delta`` is the most changes beside a generation, ``fresh_to`` the oldest state that is
    served, ``serving`` how many workers hold each shard at least, ``refused`` how many serve
    without its generation; ``missing_shards`` are served by nobody.
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


class System(BaseModel):
    """All that an operator watches."""

    queues: dict[str, Queue]
    workers: list[Worker]
    catalogs: list[CatalogState]
    versions: dict[str, str]
