"""The outbox: a message is a row, written in the transaction that makes it necessary.

After the commit any process may ``flush`` it to the queue. A crash in between loses nothing;
a crash between sending and deleting sends it twice, which every task tolerates.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol

import sqlalchemy as sa

from visearch.contract import QUEUE_OF
from visearch.store.database import Database
from visearch.store.schema import outbox


class Send(Protocol):
    """A way to put messages on queues."""

    def __call__(self, task: str, payload: Mapping[str, Any], queue: str | None = None) -> None:
        """Send one message, by default to the task's queue; raises DependencyUnavailable."""


BATCH = 500


def add(connection: sa.Connection, task: str, *payloads: Mapping[str, Any]) -> None:
    """Write one message per payload into the current transaction."""
    if not payloads:
        return
    at = time.time()
    rows = [{"task": task, "payload": dict(p), "created_at": at} for p in payloads]
    connection.execute(sa.insert(outbox), rows)


def unknown(connection: sa.Connection) -> int:
    """Count the messages of tasks that this version does not know."""
    query = sa.select(sa.func.count()).where(outbox.c.task.not_in(QUEUE_OF))
    return connection.execute(query).scalar_one()


def waiting(connection: sa.Connection, queue: str) -> int:
    """Count the messages to a queue that are not sent yet."""
    tasks = [task for task, named in QUEUE_OF.items() if named == queue]
    query = sa.select(sa.func.count()).where(outbox.c.task.in_(tasks))
    return connection.execute(query).scalar_one()


def flush(database: Database, send: Send) -> int:
    """Send the waiting messages, oldest first; returns how many were sent.

    Messages of tasks that this version does not know are left for the one that wrote them.

    Raises whatever ``send`` raises; the messages that were not sent stay.
    """
    # SQLite gives the key of a deleted row to a new one; the time tells them apart.
    sent: list[tuple[int, float]] = []
    with database.read() as connection:
        known = outbox.c.task.in_(QUEUE_OF)
        rows = connection.execute(
            sa.select(outbox).where(known).order_by(outbox.c.pk).limit(BATCH)
        ).all()
    try:
        for row in rows:
            send(row.task, row.payload)
            sent.append((row.pk, row.created_at))
    finally:
        if sent:
            with database.write() as connection:
                those = sa.tuple_(outbox.c.pk, outbox.c.created_at).in_(sent)
                found = outbox.c.pk.in_([pk for pk, _ in sent])  # SQLite has no index for pairs
                connection.execute(sa.delete(outbox).where(found, those))
    return len(sent)
