"""One search: bytes → picture → embedding → neighbours → hits, each part timed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

from visearch.contract import SearchQuery, ShardQuery
from visearch.encoders.spec import require_same_encoder, resolve
from visearch.errors import DependencyUnavailable, InvalidRequest, SearchExpired
from visearch.images import Limits, crop_box, decode
from visearch.index.coded import ERROR
from visearch.index.scoring import are_unit
from visearch.records import Catalog, FacetValue, Hit, Metric, Neighbour
from visearch.searching.indexes import Indexes, Snapshot
from visearch.searching.shards import (
    Part,
    Scatter,
    allowed_keys,
    ask_nobody,
    joined,
    pack,
    search_part,
)
from visearch.store import changes, products
from visearch.store.blobs import Blobs
from visearch.store.database import Database
from visearch.store.facets import count_values

Vector = npt.NDArray[np.float32]

Embed = Callable[[Catalog, npt.NDArray[np.uint8], float], Vector]
"""``embed(catalog, pixels uint8 [size, size, 3], seconds it may take)`` → unit float32 [d]; may
batch callers.
"""

CONCURRENT_DECODES = 2
"""A picture of 64 Mpx takes up to 0.8 GB while it is decoded; this bounds the sum."""

GROUP_OVERFETCH = 4


@dataclass
class Timings:
    """Milliseconds of each part of a search."""

    parts: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the time spent in the block to ``name``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = (time.perf_counter() - start) * 1e3
            self.parts[name] = self.parts.get(name, 0.0) + spent


@dataclass(frozen=True)
class Answer:
    """The result of one search, and of which state of the catalog."""

    catalog: Catalog
    hits: list[Hit]
    total: int
    facets: dict[str, list[FacetValue]]
    revision: int
    generation: str | None
    fresh_to: datetime
    timings: Timings
    asked: int
    answered: int

    @property
    def complete(self) -> bool:
        """Whether every shard of the catalog has answered."""
        return self.answered == self.asked


class SearchService:
    """Answers searches from live indexes; ``scatter`` reaches the shards not held here.

    ``shards_within_s`` is how many seconds they may take.
    """

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        indexes: Indexes,
        embed: Embed,
        limits: Limits,
        scatter: Scatter = ask_nobody,
        shards_within_s: float = 0.0,
    ) -> None:
        self._database, self._blobs = database, blobs
        self._indexes, self._embed, self._limits = indexes, embed, limits
        self._scatter, self._shards_within_s = scatter, shards_within_s
        self._decoding = threading.BoundedSemaphore(CONCURRENT_DECODES)

    def search(self, query: SearchQuery, picture: bytes | None, within_s: float) -> Answer:
        """Run one query; ``picture`` is None for "more like this product".

        Raises:
            SearchExpired: its turn to be decoded or encoded has not come in ``within_s``.
            ImageError: the picture cannot be used.
            InvalidRequest: the box or the filter is malformed.
            NotFound: no such catalog or product.
            DependencyUnavailable: no shard answered.
            EncoderMismatch: the catalog's encoder has changed under it.
        """
        timings, end = Timings(), time.monotonic() + within_s
        snapshot = self._indexes.get(query["catalog"])
        vector = self._vector(snapshot.catalog, query, picture, timings, end)
        with timings.part("search"):
            allowed = allowed_keys(self._database, snapshot.catalog, query["filter"])
        hits, parts = self._find(snapshot, query, vector, allowed, timings)
        with timings.part("hydrate"), self._database.read() as connection:
            facets = count_values(
                connection, snapshot.catalog, query["facets"], query["filter"] or {}
            )
        return Answer(
            facets=facets,
            hits=[replace(hit, rank=query["offset"] + i + 1) for i, hit in enumerate(hits)],
            catalog=snapshot.catalog,
            total=sum(part.size for part in parts) if allowed is None else len(allowed),
            revision=min(part.revision for part in parts),
            generation=snapshot.generation,
            fresh_to=min(part.fresh_to for part in parts),
            timings=timings,
            asked=snapshot.catalog.shards,
            answered=len(parts),
        )

    def _vector(
        self,
        catalog: Catalog,
        query: SearchQuery,
        picture: bytes | None,
        timings: Timings,
        end: float,
    ) -> Vector:
        if picture is None:
            with timings.part("encode"), self._database.read() as connection:
                stored = changes.first_picture(connection, catalog, query.get("product", ""))
                vectors = changes.load_vectors(self._blobs, stored, catalog.dimension)
                return np.asarray(vectors[0])
        spec = resolve(catalog.encoder)
        require_same_encoder(catalog, spec.fingerprint)
        with timings.part("decode"), self._turn_to_decode(end):
            box = query["box"]
            # With a box the cut decides how many pixels are needed: decode in full.
            at_least = None if box else spec.preprocess.at_least
            image = decode(picture, self._limits, at_least=at_least)
            if box:
                image = crop_box(image, (box[0], box[1], box[2], box[3]))
            pixels = spec.preprocess.pixels(image)
        with timings.part("encode"):
            return self._embed(catalog, pixels, max(0.0, end - time.monotonic()))

    @contextmanager
    def _turn_to_decode(self, end: float) -> Iterator[None]:
        if not self._decoding.acquire(timeout=max(0.0, end - time.monotonic())):
            raise SearchExpired("other pictures were being decoded until the deadline")
        try:
            yield
        finally:
            self._decoding.release()

    def _find(
        self,
        snapshot: Snapshot,
        query: SearchQuery,
        vector: Vector,
        allowed: npt.NDArray[np.int64] | None,
        timings: Timings,
    ) -> tuple[list[Hit], list[Part]]:
        """Fetch neighbours until the page is full, growing the reach while it is not."""
        if not are_unit(vector[None])[0]:
            raise InvalidRequest("the picture has no usable embedding; try another one")
        wanted = query["offset"] + query["limit"]
        reach = wanted * (GROUP_OVERFETCH if query["group"] else 1)
        shards = set(range(snapshot.catalog.shards))
        while True:
            with timings.part("search"):
                parts = self._parts(snapshot, shards, vector, reach, allowed, query)
                neighbours = _close_enough(joined(parts, reach), snapshot.catalog, query)
            with timings.part("hydrate"), self._database.read() as connection:
                found = products.hydrate(connection, snapshot.catalog, neighbours)
            hits = [hit for _, hit in found]
            if query["group"]:
                hits = _best_of_each(hits)
            if len(hits) >= wanted or len(neighbours) < reach:
                return hits[query["offset"] : wanted], parts
            reach *= 2
            shards = {part.shard for part in parts}  # who was late once is not waited for again

    def _parts(
        self,
        snapshot: Snapshot,
        shards: set[int],
        vector: Vector,
        k: int,
        allowed: npt.NDArray[np.int64] | None,
        query: SearchQuery,
    ) -> list[Part]:
        """Search shards: those held here, and by asking the others."""
        catalog, elsewhere = snapshot.catalog, sorted(shards - snapshot.parts.keys())
        gathered: list[Part] = []
        if elsewhere:
            asked = ShardQuery(
                catalog=catalog.name,
                fingerprint=catalog.fingerprint,
                vector=pack(vector),
                k=k,
                filter=query["filter"],
            )
            gathered = self._scatter(catalog, elsewhere, asked, self._shards_within_s)
        held = sorted(shards & snapshot.parts.keys())
        gathered += [search_part(snapshot, shard, vector, k, allowed) for shard in held]
        if not gathered:
            raise DependencyUnavailable(
                f"none of the {catalog.shards} shards of {catalog.name!r} answered; start shard "
                "workers"
            )
        return gathered


def _close_enough(found: list[Neighbour], catalog: Catalog, query: SearchQuery) -> list[Neighbour]:
    found = [n._replace(score=_bounded(n.score, catalog.metric)) for n in found]
    least = query["min_score"]
    return found if least is None else [n for n in found if n.score >= least]


def _bounded(score: float, metric: Metric) -> float:
    """Return the score that is shown: codes put a copy a little off the highest one there is."""
    highest, lowest = (1.0, -1.0) if metric == "cosine" else (0.0, -np.inf)
    return highest if score > highest - ERROR[metric] else max(score, lowest)


def _best_of_each(hits: list[Hit]) -> list[Hit]:
    """Keep the first hit of every product."""
    best: dict[str, Hit] = {}
    for hit in hits:
        best.setdefault(hit.product_id, hit)
    return list(best.values())
