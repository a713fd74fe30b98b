"""Idempotency keys: one row per key, from the request that came first to what it made."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from visearch.store.database import insert_new
from visearch.store.schema import idempotency


class Known(NamedTuple):
    """A request with a key: what it asked (``fingerprint``), and the id of what it makes.

    ``status`` and ``location`` are None until it has been answered.
    """

    fingerprint: str
    resource: str
    status: int | None
    location: str | None
    created_at: float


def claim(
    connection: sa.Connection, name: str, fingerprint: str, resource: str, at: float
) -> Known | None:
    """Note a request by its key; returns the one that had the key before, None if none had."""
    row = {"name": name, "fingerprint": fingerprint, "resource": resource, "created_at": at}
    insert_new(connection, idempotency, [row])
    found = read(connection, name)
    return None if found is None or found.resource == resource else found


def read(connection: sa.Connection, name: str) -> Known | None:
    """Return the request that has this key."""
    query = sa.select(*(idempotency.c[field] for field in Known._fields))
    row = connection.execute(query.where(idempotency.c.name == name)).one_or_none()
    return None if row is None else Known(*row)


def take_over(connection: sa.Connection, name: str, known: Known, at: float) -> bool:
    """Go on for a request whose server died; False if someone else does."""
    changed = connection.execute(
        sa.update(idempotency)
        .where(
            idempotency.c.name == name,
            idempotency.c.status.is_(None),
            idempotency.c.created_at == known.created_at,
        )
        .values(created_at=at)
    ).rowcount
    return changed == 1


def finish(connection: sa.Connection, name: str, status: int, location: str) -> None:
    """Note what the request was answered."""
    values = {"status": status, "location": location}
    connection.execute(sa.update(idempotency).where(idempotency.c.name == name).values(**values))


def release(connection: sa.Connection, name: str, at: float) -> None:
    """Forget a request of that time that made nothing: the next one with its key may.

    Nothing happens if another has taken it over, or has answered it.
    """
    mine = (idempotency.c.name == name, idempotency.c.created_at == at)
    connection.execute(sa.delete(idempotency).where(*mine, idempotency.c.status.is_(None)))


def forget(connection: sa.Connection, before: float) -> None:
    """Forget the keys that were first used before that time."""
    connection.execute(sa.delete(idempotency).where(idempotency.c.created_at < before))
