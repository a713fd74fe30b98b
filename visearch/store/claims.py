"""Claims: one worker's hold on a chunk of an import, and the ways in which it ends.

A claim is fenced by its chunk's attempt number. Each way of ending it that leaves work to do
counts the number up, whatever stage comes next: no number is used twice, so a worker that has
lost its claim can never commit, and a message that was overtaken can never be claimed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from visearch.contract import ChunkPayload, chunk_name
from visearch.records import ACTIVE, Import
from visearch.store import chunks, imports, ledger
from visearch.store.chunks import DECODE, EMBED, Delay
from visearch.store.ledger import PendingItem
from visearch.store.schema import chunks as rows


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A chunk in one worker's hands.

    ``tries`` counts the claims of this stage, from 1; ``attempt`` those of the chunk's life, and is
    a fence, which says nothing of what went wrong. ``returned`` counts how often a worker let go of
    the chunk untried, ``restarted`` how often it was sent back to be decoded again. ``fetches``
    counts the tries to fetch its pictures before this one, since ``late_since``.
    ``items`` are the chunk's pictures that have no fate yet, in file order: nobody else settles
    them while the claim holds. ``pixels`` names the pictures that were decoded for the encoder
    ``fingerprint``, where the stage is ``embed``; None if all of them are known already.

    Every method that ends the claim returns False, and has written nothing, if it was lost.
    """

    record: Import
    number: int
    stage: str
    attempt: int
    tries: int
    returned: int
    restarted: int
    fetches: int
    late_since: float | None
    worker: str | None
    pixels: str | None
    fingerprint: str | None
    items: tuple[PendingItem, ...]

    @property
    def name(self) -> str:
        """A name for what this claim makes; no other claim has it."""
        return chunk_name(self.record.id, self.number, self.attempt)

    @property
    def attempts(self) -> int:
        """How often its pictures have been tried, this time included."""
        return self.fetches + self.tries

    def hand_on(self, connection: sa.Connection, *, pixels: str | None, fingerprint: str) -> bool:
        """Send the decoded chunk to an embed worker; without pixels, its pictures are all known."""
        made = {"pixels": pixels, "fingerprint": fingerprint, "returned": 0}
        if not self._end(connection, state="waiting", stage=EMBED, **self._next(tries=1), **made):
            return False
        chunks.send(connection, self.record.pk, [self.number])
        return True

    def done(self, connection: sa.Connection) -> bool:
        """Close the chunk: each of its pictures has its fate."""
        return self._end(connection, state="done", pixels=None)

    def put_off(self, connection: sa.Connection, delay: Delay) -> bool:
        """Let the chunk wait until its time: none of its pictures could be fetched."""
        return self._end(
            connection, state="waiting", **delay._asdict(), **self._next(tries=self.tries)
        )

    def start_over(self, connection: sa.Connection) -> bool:
        """Let the chunk wait to be decoded again: its pixels are lost, or for another encoder."""
        again = {"stage": DECODE, "pixels": None, "restarted": self.restarted + 1}
        return self._end(connection, state="waiting", **again, **self._next(tries=1))

    def postpone(self, connection: sa.Connection, *, counted: bool = True) -> bool:
        """Put the chunk back because its worker could not try it; that is no try of its own.

        It is counted in ``returned``, unless something that the chunk needs was away: an outage
        has a limit of its own. Nothing is sent: the reconciler does so when it finds the message
        missing, and so gives what was missing some seconds to come back.
        """
        returned = self.returned + counted
        return self._end(
            connection, state="sent", returned=returned, **self._next(tries=self.tries)
        )

    def give_back(
        self, connection: sa.Connection, *, max_attempts: int, code: str, detail: str
    ) -> bool:
        """End a try that failed: the chunk waits for the next one, or its pictures are failed.

        Before the last try a chunk that cannot be decoded is cut into single pictures, so that
        one picture that kills its process cannot take the others along. After ``max_attempts``
        tries the pictures left are failed with ``code`` and ``detail``.
        """
        if not self._end(connection, state="waiting", **self._next(tries=self.tries + 1)):
            return False
        tried = [{"item": each.item, "attempts": self.attempts} for each in self.items]
        ledger.update_items(connection, self.record.pk, tried)
        if self.tries >= max_attempts:
            self._give_up(connection, code, detail)
        elif self.stage == DECODE and self.tries + 1 >= max_attempts and len(self.items) > 1:
            self._split(connection)
        return True

    def _give_up(self, connection: sa.Connection, code: str, detail: str) -> None:
        failure = {"status": "failed", "code": code, "detail": detail}
        changes = [{"item": each.item, **failure} for each in self.items]
        ledger.update_items(connection, self.record.pk, changes)
        given_up = len(self.items)
        imports.count(connection, self.record.pk, failed=given_up, given_up=given_up)
        chunks.close(connection, self.record.pk, self.number)

    def _split(self, connection: sa.Connection) -> None:
        chunks.close(connection, self.record.pk, self.number)
        first = chunks.next_split(connection, self.record.pk)
        moves = [{"item": each.item, "chunk": first + i} for i, each in enumerate(self.items)]
        ledger.update_items(connection, self.record.pk, moves)
        numbers = [first + i for i in range(len(self.items))]
        delay = Delay(0, self.fetches, self.late_since) if self.late_since else None
        chunks.add(connection, self.record.pk, numbers, tries=self.tries + 1, delay=delay)

    def _next(self, *, tries: int) -> dict[str, int]:
        return {"attempt": self.attempt + 1, "tries": tries}

    def _end(self, connection: sa.Connection, **values: Any) -> bool:
        changed = connection.execute(
            sa.update(rows)
            .where(*_held(self.record.pk, self.number, self.attempt))
            .values(worker=None, changed_at=time.time(), **values)
        ).rowcount
        return changed == 1


def take(connection: sa.Connection, stage: str, message: ChunkPayload, worker: str) -> Claim | None:
    """Claim the chunk that a message of this stage names; None if the message is out of date.

    Raises:
        NotFound: there is no such import.
    """
    record = imports.by_id(connection, message["import_id"])
    if record.status not in ACTIVE:
        return None
    row = connection.execute(
        sa.update(rows)
        .where(
            rows.c.import_pk == record.pk,
            rows.c.chunk == message["chunk"],
            rows.c.stage == stage,
            rows.c.attempt == message["attempt"],
            rows.c.state == "sent",
        )
        .values(state="running", worker=worker, changed_at=time.time())
        .returning(rows)
    ).one_or_none()
    return None if row is None else _claim(connection, record, row)


def held(connection: sa.Connection, message: ChunkPayload) -> Claim | None:
    """Return the claim that was taken by a message; None if it has ended.

    Raises:
        NotFound: there is no such import.
    """
    record = imports.by_id(connection, message["import_id"])
    mine = _held(record.pk, message["chunk"], message["attempt"])
    row = connection.execute(sa.select(rows).where(*mine)).one_or_none()
    return None if row is None else _claim(connection, record, row)


def running(connection: sa.Connection) -> list[Claim]:
    """Return the claims that hold, oldest first."""
    found = connection.execute(
        sa.select(rows).where(rows.c.state == "running").order_by(rows.c.changed_at)
    ).all()
    return [_claim(connection, imports.by_pk(connection, row.import_pk), row) for row in found]


def _held(import_pk: int, number: int, at: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        rows.c.import_pk == import_pk,
        rows.c.chunk == number,
        rows.c.attempt == at,
        rows.c.state == "running",
    )


def _claim(connection: sa.Connection, record: Import, row: sa.Row[Any]) -> Claim:
    return Claim(
        record=record,
        number=row.chunk,
        stage=row.stage,
        attempt=row.attempt,
        tries=row.tries,
        returned=row.returned,
        restarted=row.restarted,
        fetches=row.fetches,
        late_since=row.late_since,
        worker=row.worker,
        pixels=row.pixels,
        fingerprint=row.fingerprint,
        items=tuple(ledger.pending(connection, record.pk, row.chunk)),
    )
