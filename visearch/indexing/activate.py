"""Giving a catalog the encoder that a reindex has made ready."""

from __future__ import annotations

from visearch.indexing.pipeline import Pipeline
from visearch.records import Catalog
from visearch.store import reindexes
from visearch.store.reindexes import Reindex


def activate(pipeline: Pipeline, catalog: Catalog, reindex: Reindex) -> bool:
    """Exchange the encoders; False while a picture lacks its embedding.

    Raises:
        Conflict: the reindex is not ready.
    """
    with pipeline.database.write() as connection:
        done = reindexes.exchange(connection, catalog, reindex)
    if done:
        pipeline.announce(catalog.pk)
    return done
