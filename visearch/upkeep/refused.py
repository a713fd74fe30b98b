"""Generations that a worker has refused, checked where they are stored."""

from __future__ import annotations

import structlog

from visearch.backend import Backend
from visearch.errors import GenerationCorrupt, NotFound
from visearch.index.generation import open_generation
from visearch.store import generations
from visearch.store.blobs import Blobs, generation_place
from visearch.store.generations import Suspect

log = structlog.get_logger(__name__)


def look_again(backend: Backend) -> None:
    """Acquit refused generations that are sound in the store: the worker's machine is at fault.

    Without this, one broken machine would have the same generation built for ever.
    """
    with backend.database.read() as connection:
        suspects = generations.suspects(connection)
    for suspect in suspects:
        if _is_sound(backend.blobs, suspect):
            log.warning("refused_generation_is_sound", generation=suspect.id)
            with backend.database.write() as connection:
                generations.acquit(connection, suspect.id)


def _is_sound(blobs: Blobs, suspect: Suspect) -> bool:
    blobs.forget_copy(f"generations/{suspect.id}")  # the stored files count, not a copy
    try:
        for shard in range(suspect.shards):
            place = generation_place(suspect.id, suspect.shards, shard)
            open_generation(blobs.local_folder(place), fingerprint=suspect.fingerprint)
    except (GenerationCorrupt, NotFound):
        return False
    return True
