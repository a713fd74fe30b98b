"""Purging: old generations, finished uploads, rows of what was deleted."""

from __future__ import annotations

import time
import uuid

import sqlalchemy as sa
import structlog

from visearch.backend import Backend
from visearch.records import ACTIVE, TERMINAL_IMPORT, Catalog
from visearch.store import catalogs as catalog_rows
from visearch.store import embeddings, reindexes
from visearch.store.schema import catalogs, generations, images, imports

log = structlog.get_logger(__name__)

UPLOADS_KEPT_S = 7 * 24 * 3600
UPLOADING_S = 24 * 3600
BUILDING_S = 24 * 3600
DELETED_KEPT_S = 3600


def purge(backend: Backend) -> None:
    """Remove what nobody can need any more. Pictures and embeddings are kept: other
    products, or an import under way, may name the same digest.
    """
    with backend.database.read() as connection:
        live = catalog_rows.everything(connection)
    for catalog in live:
        _purge_encoders(backend, catalog)
        _purge_generations(backend, catalog)
    _purge_orphans(backend)
    _purge_uploads(backend)
    _purge_scratch(backend)
    _purge_catalogs(backend)


def _purge_encoders(backend: Backend, catalog: Catalog) -> None:
    """Give up the way back when its time is over, and the embeddings that nobody needs."""
    before = time.time() - backend.settings.rollback_days * 24 * 3600
    with backend.database.write() as connection:
        reindexes.end_former(connection, catalog, before)
        used = reindexes.kept_fingerprints(connection, catalog)
        embeddings.forget_unused(connection, catalog, used)


def _purge_generations(backend: Backend, catalog: Catalog) -> None:
    with backend.database.read() as connection:
        rows = connection.execute(
            sa.select(generations)
            .where(generations.c.catalog_pk == catalog.pk)
            .order_by(generations.c.id.desc())
        ).all()
        in_use = {catalog.generation, *reindexes.generations_of(connection, catalog)}
    sound = [row for row in rows if row.refused_at is None]
    newest = {row.id for row in sound[: backend.settings.generations_kept]}
    kept = [row for row in rows if row.id in newest | in_use]
    for row in rows:
        if row in kept:
            continue
        with backend.database.write() as connection:
            connection.execute(sa.delete(generations).where(generations.c.id == row.id))
        backend.blobs.delete_folder(f"generations/{row.id}")
    if kept:
        oldest = min(row.revision for row in kept)
        with backend.database.write() as connection:
            connection.execute(
                sa.delete(images).where(
                    images.c.catalog_pk == catalog.pk, images.c.removed <= oldest
                )
            )


def _purge_orphans(backend: Backend) -> None:
    """Remove generations that nobody knows: their builder was killed before it published them.

    A generation's id tells when its build began. One that takes longer than ``BUILDING_S`` may
    lose files under its hands; what it then publishes is refused, and built anew.
    """
    folders = backend.blobs.folders("generations")
    with backend.database.read() as connection:
        known = {*connection.execute(sa.select(generations.c.id)).scalars()}
    for name in folders:
        if name not in known and _age_s(name) > BUILDING_S:
            backend.blobs.delete_folder(f"generations/{name}")
            log.info("orphan_removed", generation=name)
    backend.blobs.keep_copies("generations", known)


def _purge_uploads(backend: Backend) -> None:
    over = (
        imports.c.status.in_(TERMINAL_IMPORT),
        imports.c.finished_at < time.time() - UPLOADS_KEPT_S,
        imports.c.source != "",
    )
    with backend.database.read() as connection:
        rows = connection.execute(sa.select(imports.c.pk, imports.c.source).where(*over)).all()
    for row in rows:
        backend.blobs.delete(row.source)
        with backend.database.write() as connection:
            connection.execute(sa.update(imports).where(imports.c.pk == row.pk).values(source=""))


def _purge_scratch(backend: Backend) -> None:
    """Remove what a killed process left: pixels of imports that are over, uploads never accepted.

    Both are named by their import, whose id tells its age.
    """
    pixels, uploads = (list(backend.blobs.list(folder)) for folder in ("pixels", "uploads"))
    with backend.database.read() as connection:
        rows = connection.execute(sa.select(imports.c.id, imports.c.status)).all()
    active = {row.id for row in rows if row.status in ACTIVE}
    accepted = {row.id for row in rows}
    for name in pixels:
        if _import_of(name) not in active:
            backend.blobs.delete(name)
    for name in uploads:
        if _import_of(name) not in accepted and _age_s(_import_of(name)) > UPLOADING_S:
            backend.blobs.delete(name)


def _import_of(blob: str) -> str:
    return blob.partition("/")[2][:36]


def _age_s(name: str) -> float:
    return time.time() - (uuid.UUID(name).int >> 80) / 1e3


def _purge_catalogs(backend: Backend) -> None:
    gone = catalogs.c.deleted_at < time.time() - DELETED_KEPT_S
    with backend.database.read() as connection:
        names = connection.execute(
            sa.select(generations.c.id)
            .join(catalogs, catalogs.c.pk == generations.c.catalog_pk)
            .where(gone)
        ).scalars()
        doomed = names.all()
    for name in doomed:
        backend.blobs.delete_folder(f"generations/{name}")
    with backend.database.write() as connection:
        connection.execute(sa.delete(catalogs).where(gone))
