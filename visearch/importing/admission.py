"""Admission: whether there is room for more work, asked before any is accepted."""

from __future__ import annotations

import shutil

from visearch.backend import Backend
from visearch.errors import Overloaded, amount
from visearch.store import imports


def check_room(backend: Backend) -> None:
    """Raise Overloaded if the disk is nearly full or too many imports are under way."""
    check_disk(backend)
    limit = backend.settings.import_queue_limit
    with backend.database.read() as connection:
        under_way = imports.count_active(connection, limit)
    if under_way >= limit:
        raise Overloaded(f"{limit:,} imports are under way already. Try again in a minute.")


def check_disk(backend: Backend) -> None:
    """Raise Overloaded if the disk that holds the home folder has less than its reserve left."""
    free, reserve = (
        shutil.disk_usage(backend.settings.home).free,
        backend.settings.disk_reserve_bytes,
    )
    if free < reserve:
        raise Overloaded(
            f"The server's disk has {amount(free, 'bytes')} left, and keeps "
            f"{amount(reserve, 'bytes')} in reserve. Try again when its operator has made room."
        )
