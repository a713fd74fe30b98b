"""Whether a home works: each catalog is searched for one of its own stored pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from visearch.backend import LoneBackend
from visearch.encoders.protocol import OpenEncoder
from visearch.errors import VisearchError
from visearch.records import Catalog
from visearch.searches import SearchQuery
from visearch.searching.clock import Clock
from visearch.searching.indexes import Indexes
from visearch.searching.service import SearchService
from visearch.settings import Settings
from visearch.store import catalogs, images

HITS = 100
"""Hits among which the picture's product must be: others may have the same picture."""

SEARCH_S = 3600.0


@dataclass(frozen=True)
class Proof:
    """What a search of a catalog for one of its pictures came to."""

    catalog: str
    ok: bool
    detail: str


def search_each(settings: Settings, open_encoder: OpenEncoder) -> list[Proof]:
    """Search every catalog for one of its pictures, in this process; none raises."""
    backend = LoneBackend(settings, _send_nothing)

    def embed(
        catalog: Catalog, pixels: npt.NDArray[np.uint8], _clock: Clock
    ) -> npt.NDArray[np.float32]:
        return np.asarray(open_encoder(catalog.encoder).embed_pixels(pixels[None])[0])

    service = SearchService(backend, Indexes(backend.database, backend.blobs), embed)
    with backend.database.read() as connection:
        live = catalogs.everything(connection)
    found = []
    for catalog in live:
        try:
            found.append(Proof(catalog.name, *_search(backend, service, catalog)))
        except VisearchError as error:
            found.append(Proof(catalog.name, False, error.detail))
    backend.database.close()
    return found


def _search(backend: LoneBackend, service: SearchService, catalog: Catalog) -> tuple[bool, str]:
    with backend.database.read() as connection:
        stored = images.one_stored(connection, catalog)
    if stored is None:
        return True, "it has no pictures"
    digest, product_id = stored
    picture = backend.blobs.get_digest("pictures", digest)
    query = SearchQuery(catalog=catalog.name, limit=HITS, min_score=None, group=True)
    answer = service.search(query, picture, Clock(SEARCH_S)).answer
    if product_id not in {hit.product_id for hit in answer.results}:
        return False, f"product {product_id!r} was not found by its own picture"
    return True, f"product {product_id!r} was found by its picture, among {answer.total} pictures"


def _send_nothing(task: str, payload: Mapping[str, Any], queue: str | None = None) -> None:
    raise AssertionError("a search sends no message where every shard is held")
