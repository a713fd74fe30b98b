"""Near-duplicates: in the background, each new picture is compared once with all others."""

from __future__ import annotations

import time

import numpy as np
import structlog

from visearch.backend import Backend
from visearch.index.live import LiveIndex
from visearch.records import Catalog
from visearch.searching.indexes import load_index
from visearch.store import catalogs, changes, duplicates, imports, segments

log = structlog.get_logger(__name__)

NEIGHBOURS = 16
"""Nearest pictures examined for each new one: enough for a picture with many twins."""

BATCH = 2_000
"""Pictures compared in one transaction."""


REST = 20
"""Seconds a catalog rests for each second it took: its whole index is loaded for a comparison."""

Resting = dict[int, float]
"""Catalog's key → the time, on the monotonic clock, until which it rests."""


def compare_all(backend: Backend, resting: Resting) -> None:
    """Compare the new pictures of every catalog that has rested and that no import is changing."""
    with backend.database.read() as connection:
        due = [
            catalog
            for catalog in catalogs.everything(connection)
            if duplicates.compared(connection, catalog) < catalog.revision
            and not imports.any_active(connection, catalog.pk)
            and resting.get(catalog.pk, 0.0) < time.monotonic()
        ]
    for catalog in due:
        start = time.monotonic()
        try:
            compare(backend, catalog)
        except Exception:  # whatever is wrong with one catalog, the others go on
            log.exception("comparison_failed", catalog=catalog.name)
        end = time.monotonic()
        resting[catalog.pk] = end + REST * (end - start)


def compare(backend: Backend, catalog: Catalog) -> None:
    """Find the twins of the pictures added since the last comparison."""
    with backend.database.read() as connection:
        since = duplicates.compared(connection, catalog)
        new = changes.added_since(connection, catalog, since)
    for shard in range(catalog.shards) if len(new.keys) else ():
        index = load_index(backend.database, backend.blobs, catalog, shard)
        for start in range(0, len(new.keys), BATCH):
            some = new.at(np.arange(start, min(start + BATCH, len(new.keys))))
            some, vectors = segments.load(backend.database, backend.blobs, some, catalog.dimension)
            pairs = _pairs(index, some.keys, vectors)
            with backend.database.write() as connection:
                duplicates.note(connection, catalog, pairs, since)
    with backend.database.write() as connection:
        duplicates.note(connection, catalog, (), catalog.revision)


def _pairs(index: LiveIndex, keys: changes.Keys, vectors: changes.Vectors) -> list[duplicates.Pair]:
    found: dict[tuple[int, int], float] = {}
    for key, vector in zip(keys.tolist(), np.asarray(vectors), strict=True):
        for near in index.search(vector, NEIGHBOURS + 1):
            cosine = _cosine(index, near.score)
            if near.image != key and cosine >= duplicates.LEAST_SCORE:
                found[min(key, near.image), max(key, near.image)] = cosine
    return [(first, second, score) for (first, second), score in found.items()]


def _cosine(index: LiveIndex, score: float) -> float:
    """Return the cosine of two vectors with that score; encoders give unit vectors only."""
    cosine = score if index.metric == "cosine" else 1.0 - score * score / 2.0
    return min(1.0, cosine)
