"""Trash: blobs that nothing names any more, and since when that is known."""

from __future__ import annotations

import time
from collections.abc import Collection

import sqlalchemy as sa

from visearch.store.database import insert_new
from visearch.store.schema import trash


def since(connection: sa.Connection, names: Collection[str]) -> dict[str, float]:
    """Return when each of these blobs was found to be rubbish; those that were not are left out."""
    query = sa.select(trash.c.name, trash.c.found_at).where(trash.c.name.in_(names))
    return {name: found_at for name, found_at in connection.execute(query)}


def add(connection: sa.Connection, names: Collection[str]) -> None:
    """Note that nothing names these blobs."""
    insert_new(connection, trash, [{"name": name, "found_at": time.time()} for name in names])


def take_out(connection: sa.Connection, names: Collection[str]) -> None:
    """Forget blobs that are named again, or gone."""
    connection.execute(sa.delete(trash).where(trash.c.name.in_(names)))
