"""Chunks: the units of work of an import, claimed by one worker at a time.

    waiting → sent → running → (stage embed) sent → running → done

A claim is fenced by the attempt number: whoever holds an older attempt cannot commit.
At most ``window`` chunks of an import are past ``waiting``, so a small import never
queues behind the whole of a large one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from visearch.contract import DECODE_CHUNK, EMBED_CHUNK, ChunkPayload
from visearch.store import outbox
from visearch.store.schema import chunks, imports

DECODE, EMBED = "decode", "embed"
_TASK = {DECODE: DECODE_CHUNK, EMBED: EMBED_CHUNK}
_IN_FLIGHT = ("sent", "running")
SPLIT_BASE = 1 << 24
"""Chunks cut out of others are numbered from here: planning may still be adding its own."""


def _at(import_pk: int, chunk: int) -> sa.ColumnElement[bool]:
    return sa.and_(chunks.c.import_pk == import_pk, chunks.c.chunk == chunk)


def add(
    connection: sa.Connection, import_pk: int, numbers: Sequence[int], attempt: int = 1
) -> None:
    """Create waiting chunks."""
    rows = [
        {
            "import_pk": import_pk,
            "chunk": number,
            "stage": DECODE,
            "state": "waiting",
            "attempt": attempt,
            "changed_at": time.time(),
        }
        for number in numbers
    ]
    if rows:
        connection.execute(sa.insert(chunks), rows)


def send(connection: sa.Connection, import_pk: int, numbers: Sequence[int]) -> None:
    """Mark chunks as sent and put their messages into the outbox."""
    for number in numbers:
        row = connection.execute(
            sa.update(chunks)
            .where(_at(import_pk, number))
            .values(state="sent", worker=None, changed_at=time.time())
            .returning(chunks.c.stage, chunks.c.attempt)
        ).one()
        where = sa.select(imports.c.id, imports.c.request_id).where(imports.c.pk == import_pk)
        owner = connection.execute(where).one()
        payload = ChunkPayload(
            import_id=owner.id, chunk=number, attempt=row.attempt, request_id=owner.request_id
        )
        outbox.add(connection, _TASK[row.stage], payload)


def send_again(connection: sa.Connection, row: sa.Row[Any]) -> None:
    """Send a chunk whose message was lost, if it is still as ``row`` saw it."""
    unchanged = connection.execute(
        sa.select(chunks.c.chunk)
        .where(
            _at(row.import_pk, row.chunk),
            chunks.c.state == "sent",
            chunks.c.changed_at == row.changed_at,
        )
        .with_for_update()  # or a worker could claim it between this look and the sending
    ).first()
    if unchanged is not None:
        send(connection, row.import_pk, [row.chunk])


def top_up(connection: sa.Connection, import_pk: int, window: int) -> None:
    """Send waiting chunks until ``window`` of the import are in flight."""
    in_flight = connection.execute(
        sa.select(sa.func.count()).where(
            chunks.c.import_pk == import_pk, chunks.c.state.in_(_IN_FLIGHT)
        )
    ).scalar_one()
    waiting = connection.execute(
        sa.select(chunks.c.chunk)
        .where(chunks.c.import_pk == import_pk, chunks.c.state == "waiting")
        .order_by(chunks.c.chunk)
        .limit(max(0, window - in_flight))
    ).scalars()
    send(connection, import_pk, waiting.all())


def claim(
    connection: sa.Connection, import_pk: int, chunk: int, stage: str, attempt: int, worker: str
) -> sa.Row[Any] | None:
    """Take a sent chunk; None if the message is stale or a duplicate."""
    return connection.execute(
        sa.update(chunks)
        .where(
            _at(import_pk, chunk),
            chunks.c.stage == stage,
            chunks.c.attempt == attempt,
            chunks.c.state == "sent",
        )
        .values(state="running", worker=worker, changed_at=time.time())
        .returning(chunks)
    ).one_or_none()


def finish(
    connection: sa.Connection,
    import_pk: int,
    chunk: int,
    stage: str,
    attempt: int,
    /,
    **values: Any,
) -> bool:
    """Leave a running chunk; False if this attempt has lost its claim meanwhile."""
    changed = connection.execute(
        sa.update(chunks)
        .where(
            _at(import_pk, chunk),
            chunks.c.stage == stage,
            chunks.c.attempt == attempt,
            chunks.c.state == "running",
        )
        .values(worker=None, changed_at=time.time(), **values)
    ).rowcount
    return changed == 1


def retry(connection: sa.Connection, import_pk: int, chunk: int, attempt: int) -> None:
    """Let a chunk wait for its next attempt; its stage stays."""
    connection.execute(
        sa.update(chunks)
        .where(_at(import_pk, chunk))
        .values(state="waiting", attempt=attempt, worker=None, changed_at=time.time())
    )


def close(connection: sa.Connection, import_pk: int, chunk: int) -> None:
    """Close a chunk whatever its state."""
    connection.execute(
        sa.update(chunks)
        .where(_at(import_pk, chunk))
        .values(state="done", worker=None, changed_at=time.time())
    )


def next_split(connection: sa.Connection, import_pk: int) -> int:
    """Return the first unused number for chunks cut out of others."""
    query = sa.select(sa.func.max(chunks.c.chunk)).where(chunks.c.import_pk == import_pk)
    return max(SPLIT_BASE, (connection.execute(query).scalar_one_or_none() or 0) + 1)


def in_state(connection: sa.Connection, state: str, before: float) -> list[sa.Row[Any]]:
    """Return the chunks that have been in ``state`` since ``before`` or longer."""
    return list(
        connection.execute(
            sa.select(chunks)
            .where(chunks.c.state == state, chunks.c.changed_at <= before)
            .order_by(chunks.c.changed_at)
        )
    )


def abandon(connection: sa.Connection, import_pk: int) -> None:
    """Close every chunk of an import that has ended."""
    connection.execute(
        sa.update(chunks)
        .where(chunks.c.import_pk == import_pk, chunks.c.state != "done")
        .values(state="done", worker=None, changed_at=time.time())
    )
