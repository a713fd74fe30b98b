"""Generations that a worker has refused, looked at once more where they are stored."""

from __future__ import annotations

import structlog

from visearch.errors import GenerationCorrupt, NotFound
from visearch.index.generation import open_generation
from visearch.indexing.pipeline import Pipeline
from visearch.store import generations

log = structlog.get_logger(__name__)


def look_again(pipeline: Pipeline) -> None:
    """Acquit the generations that are sound: only the worker's copy, or its machine, was not.

    Without this, one broken machine would keep the builder building for ever.
    """
    with pipeline.database.read() as connection:
        suspects = generations.suspects(connection)
    for name, fingerprint in suspects:
        if _is_sound(pipeline, name, fingerprint):
            log.warning("refused_generation_is_sound", generation=name)
            with pipeline.database.write() as connection:
                generations.acquit(connection, name)


def _is_sound(pipeline: Pipeline, name: str, fingerprint: str) -> bool:
    blobs, prefix = pipeline.blobs, f"generations/{name}"
    blobs.forget_copy(prefix)  # what counts is what lies in the store
    try:
        open_generation(blobs.local_folder(prefix), fingerprint=fingerprint)
    except (GenerationCorrupt, NotFound):
        return False
    return True
