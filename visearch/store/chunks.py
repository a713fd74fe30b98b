"""Chunks: the units of work of an import, claimed by one worker at a time.

    waiting → sent → running → (stage embed) sent → running → done

``visearch.store.claims`` says how a running chunk goes on. At most ``window`` chunks of an import
are past ``waiting``, so a small import never queues behind the whole of a large one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from visearch.contract import DECODE_CHUNK, EMBED_CHUNK, ChunkPayload
from visearch.store import outbox
from visearch.store.schema import chunks, imports

DECODE, EMBED = "decode", "embed"
TASK_OF = {DECODE: DECODE_CHUNK, EMBED: EMBED_CHUNK}
_IN_FLIGHT = ("sent", "running")
SPLIT_BASE = 1 << 24
"""Chunks cut out of others are numbered from here: planning may still be adding its own."""


class SentChunk(NamedTuple):
    """A chunk whose message was sent at ``sent_at`` (seconds since the epoch), not yet claimed."""

    import_pk: int
    number: int
    stage: str
    sent_at: float


def _at(import_pk: int, number: int) -> sa.ColumnElement[bool]:
    return sa.and_(chunks.c.import_pk == import_pk, chunks.c.chunk == number)


def add(
    connection: sa.Connection, import_pk: int, numbers: Sequence[int], *, tries: int = 1
) -> None:
    """Create waiting chunks, whose next try is number ``tries`` of their stage."""
    rows = [
        {
            "import_pk": import_pk,
            "chunk": number,
            "stage": DECODE,
            "state": "waiting",
            "attempt": 1,
            "tries": tries,
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
        outbox.add(connection, TASK_OF[row.stage], payload)


def send_again(connection: sa.Connection, lost: SentChunk) -> None:
    """Send a chunk whose message was lost, if nothing has happened to it meanwhile."""
    unchanged = connection.execute(
        sa.select(chunks.c.chunk)
        .where(
            _at(lost.import_pk, lost.number),
            chunks.c.state == "sent",
            chunks.c.changed_at == lost.sent_at,
        )
        .with_for_update()  # or a worker could claim it between this look and the sending
    ).first()
    if unchanged is not None:
        send(connection, lost.import_pk, [lost.number])


def sent(connection: sa.Connection) -> list[SentChunk]:
    """Return the chunks that were sent and that nobody has claimed, oldest first."""
    found = connection.execute(
        sa.select(chunks.c.import_pk, chunks.c.chunk, chunks.c.stage, chunks.c.changed_at)
        .where(chunks.c.state == "sent")
        .order_by(chunks.c.changed_at)
    )
    return [SentChunk(*row) for row in found]


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


def close(connection: sa.Connection, import_pk: int, number: int) -> None:
    """Close a chunk whatever its state."""
    _close(connection, _at(import_pk, number))


def close_all(connection: sa.Connection, import_pk: int) -> None:
    """Close every chunk of an import that has ended."""
    _close(connection, chunks.c.import_pk == import_pk, chunks.c.state != "done")


def _close(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> None:
    closed = {"state": "done", "worker": None, "changed_at": time.time()}
    connection.execute(sa.update(chunks).where(*conditions).values(**closed))


def next_split(connection: sa.Connection, import_pk: int) -> int:
    """Return the first unused number for chunks cut out of others."""
    query = sa.select(sa.func.max(chunks.c.chunk)).where(chunks.c.import_pk == import_pk)
    return max(SPLIT_BASE, (connection.execute(query).scalar_one_or_none() or 0) + 1)
