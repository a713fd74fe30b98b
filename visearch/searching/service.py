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

from visearch.contract import SearchQuery
from visearch.encoders.spec import check, resolve
from visearch.errors import InvalidRequest, SearchExpired
from visearch.images import Limits, crop_box, decode
from visearch.index.live import LiveIndex
from visearch.index.scoring import are_unit
from visearch.records import Catalog, FacetValue, Hit, Neighbour
from visearch.searching.indexes import Indexes, Snapshot
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


class SearchService:
    """Answers searches from live indexes."""

    def __init__(
        self, database: Database, blobs: Blobs, indexes: Indexes, embed: Embed, limits: Limits
    ) -> None:
        self._database, self._blobs = database, blobs
        self._indexes, self._embed, self._limits = indexes, embed, limits
        self._decoding = threading.BoundedSemaphore(CONCURRENT_DECODES)

    def search(self, query: SearchQuery, picture: bytes | None, within_s: float) -> Answer:
        """Run one query; ``picture`` is None for "more like this product".

        Raises:
            SearchExpired: its turn to be decoded or encoded has not come in ``within_s``.
            ImageError: the picture cannot be used.
            InvalidRequest: the box or the filter is malformed.
            NotFound: no such catalog or product.
            EncoderMismatch: the catalog's encoder has changed under it.
        """
        timings, end = Timings(), time.monotonic() + within_s
        snapshot = self._indexes.get(query["catalog"])
        vector = self._vector(snapshot.catalog, query, picture, timings, end)
        with timings.part("search"):
            allowed = self._allowed(snapshot.catalog, query)
        hits = self._find(snapshot, query, vector, allowed, timings)
        with timings.part("hydrate"), self._database.read() as connection:
            facets = count_values(
                connection, snapshot.catalog, query["facets"], query["filter"] or {}
            )
        return Answer(
            facets=facets,
            hits=[replace(hit, rank=query["offset"] + i + 1) for i, hit in enumerate(hits)],
            catalog=snapshot.catalog,
            total=snapshot.index.size if allowed is None else len(allowed),
            revision=snapshot.index.revision,
            generation=snapshot.generation,
            fresh_to=snapshot.fresh_to,
            timings=timings,
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
        check(catalog, spec.fingerprint)
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

    def _allowed(self, catalog: Catalog, query: SearchQuery) -> npt.NDArray[np.int64] | None:
        if not query["filter"]:
            return None
        with self._database.read() as connection:
            return changes.filtered(connection, catalog, query["filter"])

    def _find(
        self,
        snapshot: Snapshot,
        query: SearchQuery,
        vector: Vector,
        allowed: npt.NDArray[np.int64] | None,
        timings: Timings,
    ) -> list[Hit]:
        """Fetch neighbours until the page is full, growing the reach while it is not."""
        wanted = query["offset"] + query["limit"]
        reach = wanted * (GROUP_OVERFETCH if query["group"] else 1)
        while True:
            with timings.part("search"):
                neighbours = self._neighbours(snapshot.index, vector, reach, allowed, query)
            with timings.part("hydrate"), self._database.read() as connection:
                found = products.hydrate(connection, snapshot.catalog, neighbours)
            hits = [hit for _, hit in found]
            if query["group"]:
                hits = _best_of_each(hits)
            if len(hits) >= wanted or len(neighbours) < reach:
                return hits[query["offset"] : wanted]
            reach *= 2

    @staticmethod
    def _neighbours(
        index: LiveIndex,
        vector: Vector,
        k: int,
        allowed: npt.NDArray[np.int64] | None,
        query: SearchQuery,
    ) -> list[Neighbour]:
        if not are_unit(vector[None])[0]:
            raise InvalidRequest("the picture has no usable embedding; try another one")
        found = index.search(vector, k, allowed=allowed)
        if index.metric == "cosine":  # rounding may take two unit vectors a little beyond 1
            found = [n._replace(score=min(max(n.score, -1.0), 1.0)) for n in found]
        least = query["min_score"]
        return found if least is None else [n for n in found if n.score >= least]


def _best_of_each(hits: list[Hit]) -> list[Hit]:
    """Keep the first hit of every product."""
    best: dict[str, Hit] = {}
    for hit in hits:
        best.setdefault(hit.product_id, hit)
    return list(best.values())
