"""Purging: old generations, uploads of ended imports, rows of what was deleted."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from itertools import islice

import structlog

from visearch.backend import Backend
from visearch.records import ACTIVE, Catalog
from visearch.store import (
    catalogs,
    embeddings,
    generations,
    idempotency,
    images,
    imports,
    ledger,
    products,
    reindexes,
)
from visearch.store.database import Connection

log = structlog.get_logger(__name__)

UPLOADS_KEPT_S = 7 * 24 * 3600
UPLOADING_S = 24 * 3600
BUILDING_S = 24 * 3600
DELETED_KEPT_S = 3600
PRODUCTS_KEPT_S = 7 * 24 * 3600
"""Imports of single products: there may be as many as there are changes of prices."""
KEYS_KEPT_S = 24 * 3600
ROWS = 5_000
NAMES = 500


def purge(backend: Backend) -> None:
    """Remove what nobody can need any more; pictures and embeddings are ``trash``'s business.

    Rows go a few thousand at a time, so that no other writer waits for long.
    """
    with backend.database.read() as connection:
        live = catalogs.everything(connection)
    for catalog in live:
        _purge_encoders(backend, catalog)
        _purge_generations(backend, catalog)
    with backend.database.write() as connection:
        idempotency.forget(connection, time.time() - KEYS_KEPT_S)
    _purge_orphans(backend)
    _purge_uploads(backend)
    _purge_scratch(backend)
    _purge_imports(backend)
    _purge_catalogs(backend)


def _purge_encoders(backend: Backend, catalog: Catalog) -> None:
    """Give up the way back to an encoder after its time, and delete the embeddings of others."""
    before = time.time() - backend.settings.rollback_days * 24 * 3600
    with backend.database.write() as connection:
        reindexes.end_former(connection, catalog, before)

    def forget(connection: Connection) -> int:
        used = reindexes.kept_fingerprints(connection, catalog)
        return embeddings.forget_unused(connection, catalog, used, ROWS)

    _bit_by_bit(backend, forget)


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
        revision = min(each.revision for each in kept)
        _bit_by_bit(backend, lambda c: images.forget_removed(c, catalog, revision, ROWS))


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
    for name, status in _with_status(backend, "pixels"):
        if status not in ACTIVE:
            backend.blobs.delete(name)
    for name, status in _with_status(backend, "uploads"):
        if status is None and _age_s(_import_of(name)) > UPLOADING_S:
            backend.blobs.delete(name)


def _with_status(backend: Backend, folder: str) -> Iterator[tuple[str, str | None]]:
    """Yield each blob of a folder and its import's status, if there is such an import."""
    names = backend.blobs.list(folder)
    while some := list(islice(names, NAMES)):
        with backend.database.read() as connection:
            statuses = imports.statuses(connection, {_import_of(name) for name in some})
        yield from ((name, statuses.get(_import_of(name))) for name in some)


def _import_of(blob: str) -> str:
    return blob.partition("/")[2][:36]


def _age_s(name: str) -> float:
    return time.time() - (uuid.UUID(name).int >> 80) / 1e3


def _purge_imports(backend: Backend) -> None:
    """Forget imports, and their ledgers, some time after their end."""
    days = backend.settings.import_retention_days
    kinds: dict[imports.Kind, float] = {
        "file": days * 24 * 3600,
        "product": min(days * 24 * 3600, PRODUCTS_KEPT_S),
    }
    for kind, kept_s in kinds.items():
        while True:
            with backend.database.read() as connection:
                over = imports.ended_before(connection, kind, time.time() - kept_s, NAMES)
            if not over:
                break
            _forget_imports(backend, over)


def _forget_imports(backend: Backend, import_pks: list[int]) -> None:
    _bit_by_bit(backend, lambda c: ledger.forget_some(c, import_pks, ROWS))
    with backend.database.write() as connection:
        imports.forget(connection, import_pks)


def _purge_catalogs(backend: Backend) -> None:
    before = time.time() - DELETED_KEPT_S
    with backend.database.read() as connection:
        doomed = generations.of_catalogs_deleted(connection, before)
        deleted = catalogs.deleted_before(connection, before)
    for name in doomed:
        backend.blobs.delete_folder(f"generations/{name}")
    if not deleted:
        return
    while True:
        with backend.database.read() as connection:
            some = imports.of_catalogs(connection, deleted, NAMES)
        if not some:
            break
        _forget_imports(backend, some)
    _bit_by_bit(backend, lambda c: images.forget_of(c, deleted, ROWS))
    _bit_by_bit(backend, lambda c: products.forget_of(c, deleted, ROWS))
    with backend.database.write() as connection:
        catalogs.forget(connection, deleted)


def _bit_by_bit(backend: Backend, forget: Callable[[Connection], int]) -> None:
    """Call ``forget`` in transactions of its own until it deletes nothing more."""
    while True:
        with backend.database.write() as connection:
            if not forget(connection):
                return
