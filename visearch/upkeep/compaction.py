"""Compaction: stored embeddings → the next index generation, published by one pointer."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
import structlog

from visearch.backend import Backend
from visearch.errors import Conflict, NotFound
from visearch.ids import new_id
from visearch.index.generation import write
from visearch.index.manifest import FORMAT, Manifest
from visearch.records import Catalog
from visearch.scratch import scratch
from visearch.store import catalogs, changes, generations, imports, reindexes
from visearch.store.blobs import generation_place
from visearch.store.reindexes import Reindex
from visearch.store.schema import generations as generations_table
from visearch.upkeep.refused import look_again

log = structlog.get_logger(__name__)

LACKING = 0.01
"""Share of a catalog's pictures that another encoder may still lack when its index is built."""


def compact_all(backend: Backend) -> list[str]:
    """Build a generation for every catalog that is due, of the encoder it has and of those
    that are kept up for it; returns the names published.

    A catalog that cannot be built does not keep the others waiting.
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


def is_due(backend: Backend, connection: sa.Connection, catalog: Catalog) -> bool:
    """Tell whether enough has changed since the last build, or what it has cannot be kept.

    After a rollback only what came after the generation that was left counts: it is not built
    again at once. While an import runs, changes may pile up to what exhaustive search takes in its
    stride: building again and again would cost more than it saves.
    """
    settings = backend.settings
    base = catalogs.generation(connection, catalog)
    if not _can_be_kept(catalog, base):
        return True
    built, size = (generations.last_built(connection, catalog), base.size) if base else (0, 0)
    changed = changes.changes_between(connection, catalog, built)
    if changed < settings.compact_min or changed < settings.compact_ratio * size:
        return False
    return changed >= settings.brute_force_limit or not imports.any_active(connection, catalog.pk)


def _can_be_kept(catalog: Catalog, base: sa.Row[Any] | None) -> bool:
    if base is None:
        return catalog.generation is None
    kept = (FORMAT, catalog.target_recall, None)
    return (base.format, base.target_recall, base.refused_at) == kept


def compact(backend: Backend, catalog: Catalog, reindex: Reindex | None = None) -> bool:
    """Build, verify and publish one generation; False if there was nothing to build or
    another builder was first.

    With a ``reindex``, ``catalog`` is its prospect, and the generation will be its.
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
    """Build one shard and put it into its place.

    Its embeddings are gathered in a file; in memory is ScaNN's copy of them, of one shard.
    """
    folder = workbench / place
    folder.parent.mkdir(parents=True, exist_ok=True)
    gathered = np.lib.format.open_memmap(
        workbench / "vectors.npy", "w+", np.float32, (len(stored.keys), catalog.dimension)
    )
    manifest = write(
        folder,
        changes.load_vectors(backend.blobs, stored, catalog.dimension, gathered),
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
            connection.execute(
                sa.insert(generations_table).values(
                    id=name,
                    catalog_pk=catalog.pk,
                    revision=catalog.revision,
                    fingerprint=catalog.fingerprint,
                    count=sum(manifest.count for manifest in manifests),
                    recall=min(recalls),
                    target_recall=catalog.target_recall,
                    format=FORMAT,
                    created_at=time.time(),
                )
            )
            if reindex is None:
                catalogs.swap_generation(connection, catalog, name)
            else:
                reindexes.swap_generation(connection, reindex, name)
    except (Conflict, NotFound):
        backend.blobs.delete_folder(f"generations/{name}")
        return False
    backend.announce(catalog.pk)
    return True
