"""Giving a catalog the encoder that a reindex has made ready."""

from __future__ import annotations

from visearch.backend import Backend
from visearch.records import Catalog
from visearch.store import reindexes
from visearch.store.reindexes import Reindex


def activate(backend: Backend, catalog: Catalog, reindex: Reindex) -> bool:
    """Exchange the encoders; False while a picture lacks its embedding.

    Raises:
        Conflict: the reindex is not ready.
    """
    with backend.database.write() as connection:
        done = reindexes.exchange(connection, catalog, reindex)
    if done:
        backend.announce(catalog.pk)
    return done
