"""Generations that a worker has refused, looked at once more where they are stored."""

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
    """Acquit the generations that are sound: only the worker's copy, or its machine, was not.

    Without this, one broken machine would keep the builder building for ever.
    """
    with backend.database.read() as connection:
        suspects = generations.suspects(connection)
    for suspect in suspects:
        if _is_sound(backend.blobs, suspect):
            log.warning("refused_generation_is_sound", generation=suspect.id)
            with backend.database.write() as connection:
                generations.acquit(connection, suspect.id)


def _is_sound(blobs: Blobs, suspect: Suspect) -> bool:
    blobs.forget_copy(f"generations/{suspect.id}")  # what counts is what lies in the store
    try:
        for shard in range(suspect.shards):
            place = generation_place(suspect.id, suspect.shards, shard)
            open_generation(blobs.local_folder(place), fingerprint=suspect.fingerprint)
    except (GenerationCorrupt, NotFound):
        return False
    return True
