"""Purging: old generations, uploads of ended imports, rows of what was deleted."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from functools import partial
from itertools import islice

import structlog

from visearch.backend import Backend
from visearch.background import take_steps
from visearch.errors import NotFound
from visearch.records import ACTIVE
from visearch.store import (
    attributes,
    catalogs,
    embeddings,
    feed_rows,
    feeds,
    fetched,
    generations,
    idempotency,
    images,
    ledger,
    products,
    reindexes,
    retention,
    uploads,
)
from visearch.store.database import Connection
from visearch.store.imports import Kind

log = structlog.get_logger(__name__)

UPLOADS_KEPT_S = 7 * 24 * 3600
UPLOADING_S = 24 * 3600
BUILDING_S = 24 * 3600
DELETED_KEPT_S = 3600
PRODUCTS_KEPT_S = 7 * 24 * 3600
"""Imports of single products: there may be as many as there are changes of prices."""
KEYS_KEPT_S = 24 * 3600
ROWS = 5_000
COLUMNS = 500
"""Some 20 kB each."""
NAMES = 500


def purge(backend: Backend) -> None:
    """Remove what nobody can need any more; pictures and embeddings are ``trash``'s business.

    Rows go a few thousand at a time, so that no other writer waits for long.
    """
    with backend.database.read() as connection:
        live = {catalog.pk: catalog.name for catalog in catalogs.everything(connection)}
    steps: dict[str, Callable[[], object]] = {}
    for pk, name in live.items():
        steps[f"encoders of {name}"] = partial(_purge_encoders, backend, pk)
        steps[f"generations of {name}"] = partial(_purge_generations, backend, pk)
    steps["idempotency keys"] = partial(_purge_keys, backend)
    steps["orphans"] = partial(_purge_orphans, backend)
    steps["uploads"] = partial(_purge_uploads, backend)
    steps["previewed"] = partial(_purge_previewed, backend)
    steps["scratch"] = partial(_purge_scratch, backend)
    steps["imports"] = partial(_purge_imports, backend)
    steps["catalogs"] = partial(_purge_catalogs, backend)
    take_steps("not_purged", steps)


def _purge_keys(backend: Backend) -> None:
    with backend.database.write() as connection:
        idempotency.forget(connection, time.time() - KEYS_KEPT_S)


def _purge_encoders(backend: Backend, catalog_pk: int) -> None:
    """Give up the way back to an encoder after its time, and delete the embeddings of others."""
    before = time.time() - backend.settings.rollback_days * 24 * 3600

    def forget(connection: Connection) -> int:
        catalog = catalogs.locked(connection, catalog_pk)  # another encoder may be its own by now
        reindexes.end_former(connection, catalog, before)
        used = reindexes.kept_fingerprints(connection, catalog)
        return embeddings.forget_unused(connection, catalog, used, ROWS)

    with contextlib.suppress(NotFound):  # deleted meanwhile
        _bit_by_bit(backend, forget)


def _purge_generations(backend: Backend, catalog_pk: int) -> None:
    try:
        with backend.database.write() as connection:
            catalog = catalogs.locked(connection, catalog_pk)  # nothing is published meanwhile
            published = generations.of(connection, catalog)
            in_use = {catalog.generation, *reindexes.generations_of(connection, catalog)}
            sound = [each.id for each in published if not each.refused]
            newest = set(sound[: backend.settings.generations_kept])
            kept = [each for each in published if each.id in newest | in_use]
            given_up = [each.id for each in published if each not in kept]
            for name in given_up:
                generations.forget(connection, name)
    except NotFound:  # deleted meanwhile
        return
    for name in given_up:
        backend.blobs.delete_folder(f"generations/{name}")
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
    """Delete uploaded files some time after the end of their imports.

    The row first: an import that is retried at this moment keeps its file.
    """
    before = time.time() - UPLOADS_KEPT_S
    with backend.database.read() as connection:
        ended = retention.uploads(connection, before)
    for upload in ended:
        with backend.database.write() as connection:
            given_up = retention.forget_upload(connection, upload.import_pk, before)
            given_up = given_up and not uploads.named(connection, [upload.source])
        if given_up:
            backend.blobs.delete(upload.source)


def _purge_previewed(backend: Backend) -> None:
    """Delete the files that were previewed some time ago and are no import's; the row first."""
    kept_s = backend.settings.preview_kept_h * 3600
    while True:
        with backend.database.write() as connection:
            given_up = uploads.give_up(connection, time.time() - kept_s, NAMES)
            still = uploads.named(connection, given_up)
        if not given_up:
            break
        for source in given_up:
            if source not in still:
                backend.blobs.delete(source)
    with backend.database.write() as connection:
        uploads.forget(connection, time.time() - max(UPLOADS_KEPT_S, kept_s))


def _purge_scratch(backend: Backend) -> None:
    """Remove what killed processes left: pixels of ended imports, uploads never accepted.

    And uploads that were given up. All are named by their import, whose id tells its age.
    """
    for name, status in _with(backend, retention.statuses, "pixels"):
        if status not in ACTIVE:
            backend.blobs.delete(name)
    for name, source in _with(backend, retention.sources, "uploads"):
        # Of a request that was sent twice, one file is the import's; the other is nobody's.
        if name == source or (source is None and _age_s(_import_of(name)) <= UPLOADING_S):
            continue
        with backend.database.read() as connection:
            is_named = bool(uploads.named(connection, [name]))
        if not is_named:  # it may be a file that was previewed, and now is another import's
            backend.blobs.delete(name)


def _with(
    backend: Backend, find: Callable[[Connection, Collection[str]], dict[str, str]], folder: str
) -> Iterator[tuple[str, str | None]]:
    """Yield each blob of a folder and what ``find`` says of its import, if there is such one."""
    names = backend.blobs.list(folder)
    while some := list(islice(names, NAMES)):
        with backend.database.read() as connection:
            found = find(connection, {_import_of(name) for name in some})
        yield from ((name, found.get(_import_of(name))) for name in some)


def _import_of(blob: str) -> str:
    return blob.partition("/")[2][:36]


def _age_s(name: str) -> float:
    return time.time() - (uuid.UUID(name).int >> 80) / 1e3


def _purge_imports(backend: Backend) -> None:
    """Forget imports, and their ledgers, some time after their end."""
    days = backend.settings.import_retention_days
    kinds: dict[Kind, float] = {
        "file": days * 24 * 3600,
        "product": min(days * 24 * 3600, PRODUCTS_KEPT_S),
    }
    for kind, kept_s in kinds.items():
        while True:
            with backend.database.write() as connection:
                over = retention.make_final(connection, kind, time.time() - kept_s, NAMES)
            if not over:
                break
            _forget_imports(backend, over)


def _forget_imports(backend: Backend, import_pks: list[int]) -> None:
    _bit_by_bit(backend, lambda c: ledger.forget_some(c, import_pks, ROWS))
    with backend.database.write() as connection:
        retention.forget(connection, import_pks)


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
            some = retention.of_catalogs(connection, deleted, NAMES)
        if not some:
            break
        _forget_imports(backend, some)
    _bit_by_bit(backend, lambda c: images.forget_of(c, deleted, ROWS))
    _bit_by_bit(backend, lambda c: attributes.forget_of(c, deleted, COLUMNS))
    _bit_by_bit(backend, lambda c: products.forget_of(c, deleted, ROWS))
    _bit_by_bit(backend, lambda c: fetched.forget_of(c, deleted, ROWS))
    _bit_by_bit(backend, lambda c: feed_rows.forget_of(c, feeds.keys_of(c, deleted), ROWS))
    with backend.database.write() as connection:
        catalogs.forget(connection, deleted)


def _bit_by_bit(backend: Backend, forget: Callable[[Connection], int]) -> None:
    """Call ``forget`` in transactions of its own until it deletes nothing more."""
    while True:
        with backend.database.write() as connection:
            if not forget(connection):
                return
