"""The live index of every catalog, in memory, kept in step with the database.

One thread refreshes; searching threads read whole snapshots and take no lock. A large generation is
opened beside them, while the one before goes on following the changes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from visearch.background import Loop
from visearch.errors import DependencyUnavailable, GenerationCorrupt, NotFound, SearchExpired
from visearch.index.generation import Generation, open_generation
from visearch.index.live import LiveIndex
from visearch.records import Catalog, now
from visearch.store import catalogs, changes, generations, segments
from visearch.store.blobs import Blobs, generation_place
from visearch.store.database import Database

log = structlog.get_logger(__name__)

REFRESH_S = 0.5
FAILED_S = 2.0
"""So long nobody tries again, for a search, to load a catalog that could not be loaded."""

PATIENCE_S = 0.25
"""So long a refresh waits for new generations to open; what takes longer comes with a later one."""

TURN_S = 0.1
"""So long a search that is behind waits for its turn to catch up, before it does without."""


@dataclass(frozen=True)
class Snapshot:
    """One catalog as of one moment: every change committed before ``fresh_to`` is in it.

    ``parts`` are the indexes of the shards that this process holds, by shard.
    """

    catalog: Catalog
    parts: dict[int, LiveIndex]
    fresh_to: datetime

    @property
    def generation(self) -> str | None:
        """The generation that is served; where the catalog's was refused, another one or none."""
        bases = {part.base.manifest.id if part.base else None for part in self.parts.values()}
        wrong = bases - {self.catalog.generation}
        return min(wrong, key=str) if wrong else self.catalog.generation

    def weighed_as(self, catalog: Catalog) -> Snapshot:
        """Return it with the weights that its catalog, just read, has by now."""
        held = self.catalog
        if held.weights == catalog.weights or held.fingerprint != catalog.fingerprint:
            return self
        return replace(self, catalog=replace(held, weights=catalog.weights))

    def described(self) -> dict[str, Any]:
        """Return what is served, as JSON; a refused generation shows as another one."""
        return {
            "generation": self.generation,
            "delta": sum(part.delta_size for part in self.parts.values()),
            "tombstones": sum(part.tombstones for part in self.parts.values()),
            "fresh_to": self.fresh_to.isoformat(),
            "shards": sorted(self.parts),
        }


class Indexes:
    """Holds a :class:`Snapshot` per live catalog, of the shards ``held`` (None: of all).

    ``prepare(spec)`` is called before a catalog is served by another encoder than before.
    """

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        prepare: Callable[[str], object] = str,
        held: frozenset[int] | None = None,
    ) -> None:
        self._database, self._blobs, self._prepare = database, blobs, prepare
        self._held = held
        self._snapshots: dict[str, Snapshot] = {}
        self._served: set[str | None] = set()
        self._opener = ThreadPoolExecutor(1, thread_name_prefix="generations")
        self._opening: dict[str, Future[Generation]] = {}
        self._refused: set[str] = set()
        self._failed: dict[int, float] = {}
        self._patient_until = 0.0
        self._refreshing = threading.Lock()

    def get(self, name: str, within_s: float | None = None) -> Snapshot:
        """Return the snapshot of a catalog, with every change committed before this call.

        It is loaded if it is new here. An older one is returned where others refresh for longer
        than ``TURN_S``, where catching up has failed just now, and where it means to load the
        index of another encoder, which is left to ``refresh``.

        Raises:
            NotFound: no such catalog.
            DependencyUnavailable: the catalog's index cannot be loaded now.
            SearchExpired: the others were still being loaded after ``within_s``.
            TooSlow: the database had no answer after ``within_s``.
        """
        at = now()
        with self._database.read(within_s) as connection:
            catalog = catalogs.get(connection, name)
        snapshot = self._of(catalog)
        if snapshot is None:
            return self._load(catalog, within_s)
        if _is_current(snapshot, catalog):
            return snapshot.weighed_as(catalog)
        self._catch_up(catalog, at, TURN_S if within_s is None else min(TURN_S, within_s))
        return (self._of(catalog) or snapshot).weighed_as(catalog)

    def _of(self, catalog: Catalog) -> Snapshot | None:
        """Return the snapshot of this very catalog, not of a deleted one of the same name."""
        snapshot = self._snapshots.get(catalog.name)
        return snapshot if snapshot is not None and snapshot.catalog.pk == catalog.pk else None

    def _load(self, catalog: Catalog, within_s: float | None) -> Snapshot:
        """Refresh for a catalog that is new here, unless whoever did before has loaded it."""
        if not self._has_failed(catalog):
            if not self._refreshing.acquire(timeout=-1 if within_s is None else within_s):
                raise SearchExpired("other indexes were being loaded until the deadline")
            try:
                if self._of(catalog) is None and not self._has_failed(catalog):
                    self._refresh()
            finally:
                self._refreshing.release()
        if (snapshot := self._of(catalog)) is not None:
            return snapshot
        with self._database.read(within_s) as connection:
            catalogs.get(connection, catalog.name)  # it may have been deleted meanwhile
        raise DependencyUnavailable(f"the index of {catalog.name!r} cannot be loaded; see the logs")

    def _catch_up(self, catalog: Catalog, at: datetime, within_s: float) -> None:
        """Apply to one snapshot what was committed by ``at``, unless whoever did before has.

        Nothing is opened or loaded: that takes long, and is left to ``refresh``.
        """
        if self._has_failed(catalog) or not self._refreshing.acquire(timeout=within_s):
            return
        try:
            snapshot = self._of(catalog)
            if snapshot is not None and not _is_current(snapshot, catalog):
                self._patient_until = 0.0
                self._snapshots = {**self._snapshots, catalog.name: self._step(catalog, at)}
        except Exception:  # the search goes on with what there is, and says how old it is
            log.exception("index_refresh_failed", catalog=catalog.name)
            self._failed[catalog.pk] = time.monotonic() + FAILED_S
        finally:
            self._refreshing.release()

    def _has_failed(self, catalog: Catalog) -> bool:
        return time.monotonic() < self._failed.get(catalog.pk, 0.0)

    def all(self) -> list[Snapshot]:
        """Return every snapshot held."""
        return list(self._snapshots.values())

    def described(self) -> dict[str, dict[str, Any]]:
        """Return what is served of each catalog, as JSON: its generation, its changes, its age."""
        return {snapshot.catalog.name: snapshot.described() for snapshot in self.all()}

    def refresh(self) -> None:
        """Bring every catalog up to the database; a broken one keeps its last snapshot."""
        with self._refreshing:
            self._refresh()

    def _refresh(self) -> None:
        at = now()
        self._patient_until = time.monotonic() + PATIENCE_S
        with self._database.read() as connection:
            live = catalogs.everything(connection)
        fresh, failed = {}, {}
        for catalog in live:
            try:
                fresh[catalog.name] = self._step(catalog, at)
            except Exception:  # whatever is wrong with one catalog, the others go on
                log.exception("index_refresh_failed", catalog=catalog.name)
                failed[catalog.pk] = time.monotonic() + FAILED_S
                if (old := self._snapshots.get(catalog.name)) is not None:
                    fresh[catalog.name] = old
        self._snapshots, self._failed = fresh, failed
        self._forget_copies({catalog.generation for catalog in live})
        self._forget_opened({_place(c, n) for c in live if c.generation for n in range(c.shards)})

    def _forget_copies(self, served: set[str | None]) -> None:
        if served != self._served:
            self._served = served
            self._blobs.keep_copies("generations", {name for name in served if name})

    def _forget_opened(self, served: set[str]) -> None:
        """Let go of generations that another one has replaced before they were open."""
        for place in self._opening.keys() - served:
            self._opening.pop(place).cancel()

    def _step(self, catalog: Catalog, at: datetime) -> Snapshot:
        old = self._snapshots.get(catalog.name)
        same = old is not None and old.catalog.pk == catalog.pk
        if old is not None and same and old.catalog.fingerprint != catalog.fingerprint:
            self._prepare(catalog.encoder)
        shards = range(catalog.shards)
        held = shards if self._held is None else sorted(self._held.intersection(shards))
        parts = {shard: self._part(catalog, shard, old if same else None) for shard in held}
        return Snapshot(catalog, parts, at)

    def _part(self, catalog: Catalog, shard: int, old: Snapshot | None) -> LiveIndex:
        if old is None or old.catalog.fingerprint != catalog.fingerprint:
            return load_index(self._database, self._blobs, catalog, shard)
        index = old.parts[shard]
        base = self._next_base(catalog, shard, index)
        if base is not None:
            index = LiveIndex.on(base)
        if index.revision < catalog.revision:
            return _replay(self._database, self._blobs, catalog, shard, index)
        return index

    def _next_base(self, catalog: Catalog, shard: int, index: LiveIndex) -> Generation | None:
        """Return the catalog's generation if another one is served and it is open by now."""
        served = index.base.manifest.id if index.base else None
        if catalog.generation in (None, served):
            return None
        place = _place(catalog, shard)
        if place in self._refused:
            return None
        if place not in self._opening:
            self._opening[place] = self._opener.submit(_open, self._blobs, catalog, shard)
        try:
            base = self._opening[place].result(max(0.0, self._patient_until - time.monotonic()))
        except TimeoutError:
            return None
        except (GenerationCorrupt, NotFound) as error:
            self._refused.add(place)
            _refuse(self._database, catalog, shard, error)
            base = None
        except Exception:
            del self._opening[place]  # the next refresh tries again
            raise
        del self._opening[place]
        return base


def _is_current(snapshot: Snapshot, catalog: Catalog) -> bool:
    """Whether it has every change of ``catalog``; one of another encoder is left to the loop."""
    held = snapshot.catalog
    return held.revision >= catalog.revision or held.fingerprint != catalog.fingerprint


def load_index(database: Database, blobs: Blobs, catalog: Catalog, shard: int) -> LiveIndex:
    """Open a shard of the catalog's generation and replay what came after it.

    A generation that fails its checks is refused, and the builder told: the whole shard is
    searched exhaustively from its stored embeddings.
    """
    empty = LiveIndex.empty(catalog.dimension, catalog.metric)
    if catalog.generation is None:
        return _replay(database, blobs, catalog, shard, empty)
    try:
        index = LiveIndex.on(_open(blobs, catalog, shard))
    except (GenerationCorrupt, NotFound) as error:
        _refuse(database, catalog, shard, error)
        index = empty
    return _replay(database, blobs, catalog, shard, index)


def _refuse(
    database: Database, catalog: Catalog, shard: int, reason: GenerationCorrupt | NotFound
) -> None:
    name = catalog.generation or ""
    log.error(
        "generation_refused",
        catalog=catalog.name,
        generation=name,
        shard=shard,
        error=reason.detail,
    )
    try:
        with database.write() as connection:
            generations.refuse(connection, name)
    except DependencyUnavailable as error:  # searching goes on where nothing can be written
        log.warning("refusal_not_told", catalog=catalog.name, error=error.detail)


def _place(catalog: Catalog, shard: int) -> str:
    assert catalog.generation is not None
    return generation_place(catalog.generation, catalog.shards, shard)


def _open(blobs: Blobs, catalog: Catalog, shard: int) -> Generation:
    prefix = _place(catalog, shard)
    try:
        return open_generation(blobs.local_folder(prefix), fingerprint=catalog.fingerprint)
    except GenerationCorrupt:
        if not blobs.forget_copy(prefix):
            raise
    # Only our copy may be damaged: fetch it once more.
    return open_generation(blobs.local_folder(prefix), fingerprint=catalog.fingerprint)


def _replay(
    database: Database, blobs: Blobs, catalog: Catalog, shard: int, index: LiveIndex
) -> LiveIndex:
    with database.read() as connection:
        added = changes.added_since(connection, catalog, index.revision, shard)
        removed = changes.removed_since(connection, catalog, index.revision, shard)
    added, vectors = segments.load(database, blobs, added, catalog.dimension)
    return index.apply(added.keys, vectors, removed, catalog.revision)


def keep_fresh(indexes: Indexes, wait: Callable[[float], None], every_s: float = REFRESH_S) -> Loop:
    """Refresh in the background: at once when ``wait`` returns, else every ``every_s``.

    ``wait(seconds)`` returns early when a change was announced.
    """

    def step() -> None:
        indexes.refresh()
        wait(every_s)

    return Loop("indexes", step, retry_s=every_s).start()
