"""Chunks: the units of work of an import, claimed by one worker at a time.

    waiting → sent → running → (stage embed) sent → running → done

A chunk whose pictures could not be fetched waits until its time, ``not_before``. It is set and read
by the clocks of different machines: where they differ, it is sent as much too early or too late.
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


class Delay(NamedTuple):
    """Until when a chunk is put off, and since when.

    ``fetches`` counts the tries to fetch its pictures.
    """

    not_before: float
    fetches: int
    late_since: float


def add(
    connection: sa.Connection,
    import_pk: int,
    numbers: Sequence[int],
    *,
    tries: int = 1,
    delay: Delay | None = None,
) -> None:
    """Create waiting chunks, whose next try is number ``tries`` of their stage."""
    late = delay._asdict() if delay else {}
    rows = [
        {
            "import_pk": import_pk,
            "chunk": number,
            "stage": DECODE,
            "state": "waiting",
            "attempt": 1,
            "tries": tries,
            "changed_at": time.time(),
            **late,
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
            .values(state="sent", worker=None, not_before=0, changed_at=time.time())
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
    """Send waiting chunks, those that are not put off, until ``window`` are in flight."""
    in_flight = connection.execute(
        sa.select(sa.func.count()).where(
            chunks.c.import_pk == import_pk, chunks.c.state.in_(_IN_FLIGHT)
        )
    ).scalar_one()
    waiting = connection.execute(
        sa.select(chunks.c.chunk)
        .where(
            chunks.c.import_pk == import_pk,
            chunks.c.state == "waiting",
            chunks.c.not_before <= time.time(),
        )
        .order_by(chunks.c.chunk)
        .limit(max(0, window - in_flight))
    ).scalars()
    send(connection, import_pk, waiting.all())


def due(connection: sa.Connection) -> list[int]:
    """Return the keys of the imports whose chunks were put off until now."""
    put_off = (chunks.c.state == "waiting", chunks.c.not_before > 0)
    query = sa.select(chunks.c.import_pk).where(*put_off, chunks.c.not_before <= time.time())
    return list(connection.execute(query.distinct().order_by(chunks.c.import_pk)).scalars())


def next_due_s(connection: sa.Connection) -> float | None:
    """Return after how many seconds the next chunk that was put off is due; None without one."""
    put_off = (chunks.c.state == "waiting", chunks.c.not_before > 0)
    first = connection.execute(sa.select(sa.func.min(chunks.c.not_before)).where(*put_off)).scalar()
    return None if first is None else max(0.0, first - time.time())


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
