"""Purging: old generations, uploads of ended imports, rows of what was deleted."""

from __future__ import annotations

import time
import uuid

import structlog

from visearch.backend import Backend
from visearch.records import ACTIVE, Catalog
from visearch.store import catalogs, embeddings, generations, images, imports, reindexes

log = structlog.get_logger(__name__)

UPLOADS_KEPT_S = 7 * 24 * 3600
UPLOADING_S = 24 * 3600
BUILDING_S = 24 * 3600
DELETED_KEPT_S = 3600


def purge(backend: Backend) -> None:
    """Remove what nobody can need any more.

    Pictures and segments of embeddings stay: other products, or an import under way, may name
    the same digest.
    """
    with backend.database.read() as connection:
        live = catalogs.everything(connection)
    for catalog in live:
        _purge_encoders(backend, catalog)
        _purge_generations(backend, catalog)
    _purge_orphans(backend)
    _purge_uploads(backend)
    _purge_scratch(backend)
    _purge_catalogs(backend)


def _purge_encoders(backend: Backend, catalog: Catalog) -> None:
    """Give up the way back to an encoder after its time, and delete the embeddings of others."""
    before = time.time() - backend.settings.rollback_days * 24 * 3600
    with backend.database.write() as connection:
        reindexes.end_former(connection, catalog, before)
        used = reindexes.kept_fingerprints(connection, catalog)
        embeddings.forget_unused(connection, catalog, used)


def _purge_generations(backend: Backend, catalog: Catalog) -> None:
    with backend.database.read() as connection:
        published = generations.of(connection, catalog)
        in_use = {catalog.generation, *reindexes.generations_of(connection, catalog)}
    sound = [each.id for each in published if not each.refused]
    newest = set(sound[: backend.settings.generations_kept])
    kept = [each for each in published if each.id in newest | in_use]
    for each in published:
        if each in kept:
            continue
        with backend.database.write() as connection:
            generations.forget(connection, each.id)
        backend.blobs.delete_folder(f"generations/{each.id}")
    if kept:
        with backend.database.write() as connection:
            images.forget_removed(connection, catalog, min(each.revision for each in kept))


def _purge_orphans(backend: Backend) -> None:
    """Remove generations without a row: their builder was killed before it published them.

    A generation's id tells when its build began. A build that takes longer than ``BUILDING_S``
    may lose files meanwhile; the workers then refuse what it publishes, and it is built again.
    """
    folders = backend.blobs.folders("generations")
    with backend.database.read() as connection:
        known = generations.names(connection)
    for name in folders:
        if name not in known and _age_s(name) > BUILDING_S:
            backend.blobs.delete_folder(f"generations/{name}")
            log.info("orphan_removed", generation=name)
    backend.blobs.keep_copies("generations", known)


def _purge_uploads(backend: Backend) -> None:
    with backend.database.read() as connection:
        ended = imports.with_uploads(connection, time.time() - UPLOADS_KEPT_S)
    for record in ended:
        backend.blobs.delete(record.source)
        with backend.database.write() as connection:
            imports.forget_upload(connection, record)


def _purge_scratch(backend: Backend) -> None:
    """Remove what killed processes left: pixels of ended imports, uploads never accepted.

    Both are named by their import, whose id tells its age.
    """
    pixels, uploads = (list(backend.blobs.list(folder)) for folder in ("pixels", "uploads"))
    with backend.database.read() as connection:
        statuses = imports.statuses(connection)
    for name in pixels:
        if statuses.get(_import_of(name)) not in ACTIVE:
            backend.blobs.delete(name)
    for name in uploads:
        if _import_of(name) not in statuses and _age_s(_import_of(name)) > UPLOADING_S:
            backend.blobs.delete(name)


def _import_of(blob: str) -> str:
    return blob.partition("/")[2][:36]


def _age_s(name: str) -> float:
    return time.time() - (uuid.UUID(name).int >> 80) / 1e3


def _purge_catalogs(backend: Backend) -> None:
    before = time.time() - DELETED_KEPT_S
    with backend.database.read() as connection:
        doomed = generations.of_catalogs_deleted(connection, before)
    for name in doomed:
        backend.blobs.delete_folder(f"generations/{name}")
    with backend.database.write() as connection:
        catalogs.forget_deleted(connection, before)
