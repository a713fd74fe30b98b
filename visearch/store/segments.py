"""Segments: blobs that hold the embeddings of a chunk, float32 [n, d], by their digest.

A segment is checked whenever it is read. One that is missing or damaged is set aside, and its
pictures are noted (``visearch.store.damage``) and embedded again from what is stored of them;
whatever else was asked for is returned meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import structlog

from visearch.errors import BlobDamaged, NotFound
from visearch.store import damage, mark
from visearch.store.blobs import Blobs
from visearch.store.changes import Stored, Vectors
from visearch.store.database import Database

log = structlog.get_logger(__name__)


def put(blobs: Blobs, vectors: Vectors) -> str:
    """Store embeddings float32 [n, d]; returns the segment's name."""
    return blobs.put_digest("segments", np.ascontiguousarray(vectors, "<f4").tobytes())


def load(
    database: Database, blobs: Blobs, stored: Stored, dimension: int, out: Vectors | None = None
) -> tuple[Stored, Vectors]:
    """Gather embeddings float32 [n, dimension], in ``out`` if given; reads each segment once.

    Returns those that could be read, in the same order, and where they are stored. ``out`` holds
    them only if none was lost.
    """
    if out is None:
        out = np.empty((len(stored.keys), dimension), np.float32)
    sound = np.ones(len(stored.keys), np.bool_)
    for segment, places in _by_segment(stored.segments).items():
        try:
            data = np.frombuffer(blobs.get_digest("segments", segment), "<f4")
            out[places] = data.reshape(-1, dimension)[stored.rows[places]]
        except (BlobDamaged, NotFound) as error:
            mark.require(database, blobs)
            sound[places] = False
            _set_aside(database, blobs, segment, error.detail)
    if sound.all():
        return stored, out
    kept = np.flatnonzero(sound)
    return stored.at(kept), out[kept]


def _set_aside(database: Database, blobs: Blobs, segment: str, reason: str) -> None:
    blobs.set_aside(f"segments/{segment}")  # first: where that fails, it is not this blob's fault
    with database.write() as connection:
        lost = damage.note(connection, segment)
    log.error("segment_damaged", segment=segment, pictures=lost, error=reason)


def _by_segment(segments: Sequence[str]) -> dict[str, npt.NDArray[np.int64]]:
    places: dict[str, list[int]] = {}
    for i, segment in enumerate(segments):
        places.setdefault(segment, []).append(i)
    return {segment: np.asarray(some, np.int64) for segment, some in places.items()}
