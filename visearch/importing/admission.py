"""Admission: whether there is room for more work, asked before any is accepted."""

from __future__ import annotations

import shutil

from visearch.backend import Backend
from visearch.errors import Overloaded, amount
from visearch.settings import Settings
from visearch.store import imports, mark


def check_room(backend: Backend) -> None:
    """Make sure that more work can be accepted.

    Raises:
        Overloaded: the disk is nearly full, or too many imports are under way.
        DependencyUnavailable: the blob store is not mounted.
    """
    check_disk(backend)
    mark.require(backend.database, backend.blobs)
    limit = backend.settings.import_queue_limit
    with backend.database.read() as connection:
        under_way = imports.count_active(connection, limit)
    if under_way >= limit:
        raise Overloaded(f"{limit:,} imports are under way already. Try again in a minute.")


def check_disk(backend: Backend) -> None:
    """Raise Overloaded if the disk that holds the home folder has less than its reserve left."""
    if error := disk_problem(backend.settings):
        raise error


def disk_problem(settings: Settings, coming: int = 0, share: float = 1.0) -> Overloaded | None:
    """Return why the disk that holds the home folder has no room for ``coming`` more bytes.

    None if it has: afterwards a ``share`` of its reserve is left.
    """
    free = shutil.disk_usage(settings.home).free
    reserve = settings.disk_reserve_bytes * share
    if free - coming >= reserve:
        return None
    return Overloaded(
        f"The server's disk has {amount(free, 'bytes')} left, and keeps "
        f"{amount(int(reserve), 'bytes')} in reserve. Try again when its operator has made room."
    )
