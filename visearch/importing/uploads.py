"""Uploads that are kept to be looked at first, so that their import need not send them again."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import cast

from visearch import archives
from visearch.backend import Backend
from visearch.errors import DependencyUnavailable, Gone, NotFound
from visearch.ids import new_id
from visearch.importing.accept import Mode, Stored, accept_stored, store_file
from visearch.importing.admission import check_room
from visearch.records import Catalog, Import
from visearch.store import catalogs, uploads
from visearch.store.database import Connection
from visearch.store.uploads import Upload
from visearch.tables.mapping import Choice


def keep(backend: Backend, catalog: str, parts: Iterable[bytes], name: str = "") -> Upload:
    """Stream a file, called ``name``, into the blob store, for imports to come.

    Raises:
        As ``accept_file``.
    """
    upload_id = new_id()
    stored = store_file(backend, catalog, parts, upload_id, name)
    try:
        with backend.database.write() as connection:
            found = catalogs.get(connection, catalog)
            return uploads.add(connection, found, upload_id, **stored._asdict())
    except DependencyUnavailable:
        raise  # it may have been committed all the same; if not, the file is purged
    except BaseException:
        backend.blobs.delete(stored.source)
        raise


def find(backend: Backend, connection: Connection, catalog: Catalog, upload_id: str) -> Upload:
    """Return a file that is kept.

    Raises:
        NotFound: there is no such one.
        Gone: it was kept for long enough.
    """
    found = uploads.find(connection, catalog, upload_id)
    hours = backend.settings.preview_kept_h
    kept = f"A file is kept for {hours:g} hours after it was sent. Send it again."
    if found is None:
        raise NotFound(f"Catalog {catalog.name!r} has no upload {upload_id[:40]!r}. {kept}")
    if not found.source or time.time() - found.created_at > hours * 3600:
        raise Gone(f"This upload is no longer kept. {kept}")
    return found


def discard(backend: Backend, upload: Upload) -> None:
    """Delete a file that can never be imported."""
    with backend.database.write() as connection:
        uploads.discard(connection, upload)
        is_named = uploads.named(connection, [upload.source])
    if not is_named:
        backend.blobs.delete(upload.source)


def accept_upload(
    backend: Backend,
    catalog: str,
    upload_id: str,
    *,
    mode: Mode,
    request_id: str,
    import_id: str,
    guard: float | None,
    choices: dict[str, Choice],
) -> Import:
    """Accept a file that is kept as an import.

    Raises:
        NotFound: no such catalog, or no such upload.
        Gone: it is no longer kept.
        Overloaded: there is no room for more work.
    """
    check_room(backend)
    with backend.database.write() as connection:
        into = catalogs.get(connection, catalog)
        upload = find(backend, connection, into, upload_id)
        return accept_stored(
            connection,
            into,
            Stored(upload.source, cast(archives.Media, upload.media)),
            mode=mode,
            request_id=request_id,
            import_id=import_id,
            guard=guard,
            choices=choices,
        )
