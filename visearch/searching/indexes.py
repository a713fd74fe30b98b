"""The live index of every catalog, in memory, kept in step with the database.

One thread refreshes; searching threads read whole snapshots and take no lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from visearch.errors import DependencyUnavailable, GenerationCorrupt, NotFound
from visearch.index.generation import Generation, open_generation
from visearch.index.live import LiveIndex
from visearch.records import Catalog, now
from visearch.store import catalogs, changes, generations
from visearch.store.blobs import Blobs
from visearch.store.database import Database

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """One catalog as of one moment: every change committed before ``fresh_to`` is in it."""

    catalog: Catalog
    index: LiveIndex
    fresh_to: datetime

    @property
    def generation(self) -> str | None:
        """The generation that is served: not the catalog's own where that was refused."""
        return self.index.base.manifest.id if self.index.base else None


class Indexes:
    """Holds a :class:`Snapshot` per live catalog.

    ``prepare(spec)`` is called before a catalog is served by another encoder than before.
    """

    def __init__(
        self, database: Database, blobs: Blobs, prepare: Callable[[str], object] = str
    ) -> None:
        self._database, self._blobs, self._prepare = database, blobs, prepare
        self._snapshots: dict[str, Snapshot] = {}
        self._served: set[str | None] = set()
        self._refreshing = threading.Lock()

    def get(self, name: str) -> Snapshot:
        """Return the snapshot of a catalog; loads it if it is new here.

        Raises:
            NotFound: no such catalog.
            DependencyUnavailable: the catalog's index cannot be loaded now.
        """
        snapshot = self._snapshots.get(name)
        if snapshot is None:
            self.refresh()
            snapshot = self._snapshots.get(name)
        if snapshot is None:
            with self._database.read() as connection:
                catalogs.get(connection, name)
            raise DependencyUnavailable(f"the index of {name!r} cannot be loaded; see the logs")
        return snapshot

    def all(self) -> list[Snapshot]:
        """Return every snapshot held."""
        return list(self._snapshots.values())

    def described(self) -> dict[str, dict[str, Any]]:
        """Return what is served of each catalog, as JSON: its generation, its changes, its age.

        A generation that was refused shows as one that is not the catalog's.
        """
        return {
            snapshot.catalog.name: {
                "generation": snapshot.generation,
                "delta": snapshot.index.delta_size,
                "tombstones": snapshot.index.tombstones,
                "fresh_to": snapshot.fresh_to.isoformat(),
            }
            for snapshot in self.all()
        }

    def refresh(self) -> None:
        """Bring every catalog up to the database; a broken one keeps its last snapshot."""
        with self._refreshing:
            at = now()
            with self._database.read() as connection:
                live = catalogs.everything(connection)
            fresh = {}
            for catalog in live:
                try:
                    fresh[catalog.name] = self._step(catalog, at)
                except Exception:  # whatever is wrong with one catalog, the others go on
                    log.exception("index_refresh_failed", catalog=catalog.name)
                    if (old := self._snapshots.get(catalog.name)) is not None:
                        fresh[catalog.name] = old
            self._snapshots = fresh
            self._forget_copies({catalog.generation for catalog in live})

    def _forget_copies(self, served: set[str | None]) -> None:
        if served != self._served:
            self._served = served
            self._blobs.keep_copies("generations", {name for name in served if name})

    def _step(self, catalog: Catalog, at: datetime) -> Snapshot:
        old = self._snapshots.get(catalog.name)
        if old is None or old.catalog.pk != catalog.pk:
            index = load_index(self._database, self._blobs, catalog)
        elif old.catalog.fingerprint != catalog.fingerprint:
            self._prepare(catalog.encoder)
            index = load_index(self._database, self._blobs, catalog)
        elif old.catalog.generation != catalog.generation:
            index = load_index(self._database, self._blobs, catalog, old.index)
        elif old.index.revision < catalog.revision:
            index = _catch_up(self._database, self._blobs, catalog, old.index)
        else:
            index = old.index
        return Snapshot(catalog, index, at)


def load_index(
    database: Database, blobs: Blobs, catalog: Catalog, old: LiveIndex | None = None
) -> LiveIndex:
    """Open the catalog's generation and replay what came after it.

    A generation that fails its checks is refused, and the builder told: ``old`` goes on, or
    without one the whole catalog is searched exhaustively from its stored embeddings.
    """
    empty = LiveIndex.empty(catalog.dimension, catalog.metric)
    if catalog.generation is None:
        return _catch_up(database, blobs, catalog, empty)
    try:
        index = LiveIndex.on(_open(blobs, catalog))
    except (GenerationCorrupt, NotFound) as error:
        _refuse(database, catalog, error)
        index = old or empty
    return _catch_up(database, blobs, catalog, index)


def _refuse(database: Database, catalog: Catalog, reason: GenerationCorrupt | NotFound) -> None:
    name = catalog.generation or ""
    log.error("generation_refused", catalog=catalog.name, generation=name, error=reason.detail)
    try:
        with database.write() as connection:
            generations.refuse(connection, name)
    except DependencyUnavailable as error:  # searching goes on where nothing can be written
        log.warning("refusal_not_told", catalog=catalog.name, error=error.detail)


def _open(blobs: Blobs, catalog: Catalog) -> Generation:
    prefix = f"generations/{catalog.generation}"
    try:
        return open_generation(blobs.local_folder(prefix), fingerprint=catalog.fingerprint)
    except GenerationCorrupt:
        if not blobs.forget_copy(prefix):
            raise
    # Only our copy may be damaged: fetch it once more.
    return open_generation(blobs.local_folder(prefix), fingerprint=catalog.fingerprint)


def _catch_up(database: Database, blobs: Blobs, catalog: Catalog, index: LiveIndex) -> LiveIndex:
    with database.read() as connection:
        added = changes.added_since(connection, catalog, index.revision)
        removed = changes.removed_since(connection, catalog, index.revision)
    vectors = changes.load_vectors(blobs, added, catalog.dimension)
    return index.apply(added.keys, vectors, removed, catalog.revision)


def keep_fresh(
    indexes: Indexes, wait: Callable[[float], None], stop: threading.Event, every_s: float = 0.5
) -> None:
    """Refresh until ``stop`` is set: at once when ``wait`` returns, else every ``every_s``.

    ``wait(seconds)`` returns early when a change was announced.
    """
    while not stop.is_set():
        try:
            indexes.refresh()
            wait(every_s)
        except Exception:  # a thread that ended would leave the indexes to grow old unseen
            log.exception("index_refresh_failed")
            stop.wait(every_s)
