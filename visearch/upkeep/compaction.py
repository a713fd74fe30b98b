"""Compaction: stored embeddings → the next index generation, published by one pointer."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import structlog

from visearch.backend import Backend
from visearch.errors import Conflict, NotFound
from visearch.ids import new_id
from visearch.index.generation import write
from visearch.index.manifest import FORMAT, Manifest
from visearch.records import Catalog
from visearch.scratch import scratch
from visearch.store import catalogs, changes, generations, imports, reindexes, segments
from visearch.store.blobs import generation_place
from visearch.store.database import Connection
from visearch.store.generations import Published
from visearch.store.reindexes import Reindex
from visearch.upkeep.refused import look_again

log = structlog.get_logger(__name__)

LACKING = 0.01
"""Share of a catalog's pictures that another encoder may still lack when its index is built."""


def compact_all(backend: Backend) -> list[str]:
    """Build each generation that is due: of the catalogs' encoders, and of those kept up.

    Returns the names of the catalogs that got one. A catalog that cannot be built does not keep
    the others waiting.
    """
    look_again(backend)
    published = []
    for catalog, reindex in _due(backend):
        try:
            if compact(backend, catalog, reindex):
                published.append(catalog.name)
        except Exception:  # whatever is wrong with one catalog, the others go on
            log.exception("compaction_failed", catalog=catalog.name)
    return published


def _due(backend: Backend) -> list[tuple[Catalog, Reindex | None]]:
    with backend.database.read() as connection:
        every: list[tuple[Catalog, Reindex | None]] = [
            (catalog, None) for catalog in catalogs.everything(connection)
        ]
        every += [
            (reindexes.prospect(connection, catalog, reindex), reindex)
            for catalog, reindex in reindexes.kept_up(connection)
            if reindex.total - reindex.done <= LACKING * reindex.total
        ]
        return [pair for pair in every if is_due(backend, connection, pair[0])]


def is_due(backend: Backend, connection: Connection, catalog: Catalog) -> bool:
    """Tell whether enough has changed since the last build, or what it has cannot be kept.

    After a rollback only the changes since the newest generation count, or that one would be
    built again at once. While an import runs, changes may pile up to the limit of exhaustive
    search: building again and again would cost more than it saves.
    """
    settings = backend.settings
    base = generations.current(connection, catalog)
    if not _can_be_kept(catalog, base):
        return True
    built, size = (generations.last_built(connection, catalog), base.count) if base else (0, 0)
    changed = changes.changes_between(connection, catalog, built)
    if changed < settings.compact_min or changed < settings.compact_ratio * size:
        return False
    return changed >= settings.brute_force_limit or not imports.any_active(connection, catalog.pk)


def _can_be_kept(catalog: Catalog, base: Published | None) -> bool:
    if base is None:
        return catalog.generation is None
    kept = (FORMAT, catalog.target_recall, False)
    return (base.format, base.target_recall, base.refused) == kept


def compact(backend: Backend, catalog: Catalog, reindex: Reindex | None = None) -> bool:
    """Build, verify and publish one generation.

    With a ``reindex``, ``catalog`` is its prospect, and the generation is published for it.
    Returns False if there was nothing to build or another builder was first.
    """
    with backend.database.read() as connection:
        if reindex is None:
            catalog = catalogs.get(connection, catalog.name)
        shards = [
            changes.live_at(connection, catalog, catalog.revision, shard)
            for shard in range(catalog.shards)
        ]
    if not any(len(stored.keys) for stored in shards):
        return False
    name = new_id()
    with scratch(backend.settings.home / "cache" / "build") as workbench:
        manifests = [
            _build(backend, catalog, stored, workbench, generation_place(name, catalog.shards, i))
            for i, stored in enumerate(shards)
        ]
    return _publish(backend, catalog, reindex, name, manifests)


def _build(
    backend: Backend, catalog: Catalog, stored: changes.Stored, workbench: Path, place: str
) -> Manifest:
    """Build one shard and store it at ``place``.

    Its embeddings are gathered in a file: memory has to hold only ScaNN's copy of one shard.
    """
    folder = workbench / place
    folder.parent.mkdir(parents=True, exist_ok=True)
    gathered = np.lib.format.open_memmap(
        workbench / "vectors.npy", "w+", np.float32, (len(stored.keys), catalog.dimension)
    )
    kept, vectors = segments.load(
        backend.database, backend.blobs, stored, catalog.dimension, gathered
    )
    if len(kept.keys) < len(stored.keys):  # the rest come with a later revision
        return _build(backend, catalog, kept, workbench, place)
    manifest = write(
        folder,
        vectors,
        stored.keys,
        id=Path(place).parts[1],
        catalog=catalog.pk,
        revision=catalog.revision,
        fingerprint=catalog.fingerprint,
        metric=catalog.metric,
        brute_force_limit=backend.settings.brute_force_limit,
        target_recall=catalog.target_recall,
    )
    backend.blobs.put_folder(place, folder)
    shutil.rmtree(folder)
    return manifest


def _publish(
    backend: Backend,
    catalog: Catalog,
    reindex: Reindex | None,
    name: str,
    manifests: list[Manifest],
) -> bool:
    recalls = [manifest.recall for manifest in manifests if manifest.recall is not None]
    try:
        with backend.database.write() as connection:
            generations.add(
                connection,
                catalog,
                name=name,
                count=sum(manifest.count for manifest in manifests),
                recall=min(recalls),
                format=FORMAT,
            )
            if reindex is None:
                catalogs.publish_generation(connection, catalog, name)
            else:
                reindexes.publish_generation(connection, reindex, name)
    except (Conflict, NotFound):
        backend.blobs.delete_folder(f"generations/{name}")
        return False
    backend.announce(catalog.pk)
    return True
