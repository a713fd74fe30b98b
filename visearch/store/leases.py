"""Leases: which worker's turn it is at a reindex, and for how long."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from visearch.ids import new_id
from visearch.store.lapsed import lapsed
from visearch.store.reindexes import Reindex
from visearch.store.schema import reindexes


class LeaseLost(Exception):
    """Another worker holds the lease by now; this one must not write for the reindex."""


@dataclass(frozen=True)
class Lease:
    """One worker's exclusive turn at a reindex; ``owner`` is no one else's name.

    It lasts ``seconds`` from the last time it was taken or kept. One that has run out still
    holds until another worker takes the reindex.
    """

    reindex_pk: int
    owner: str
    seconds: float

    def keep(self, connection: sa.Connection) -> None:
        """Extend the lease, and hold the reindex's row lock until the commit.

        Called first in every transaction of its owner that writes for the reindex.

        Raises:
            LeaseLost: another worker has it.
        """
        if not self._set(connection, leased_until=time.time() + self.seconds):
            raise LeaseLost

    def end(self, connection: sa.Connection) -> None:
        """Let the next worker have the reindex; a lease that was lost is left alone."""
        self._set(connection, leased_by=None, leased_until=0.0)

    def _set(self, connection: sa.Connection, **values: Any) -> bool:
        mine = (reindexes.c.pk == self.reindex_pk, reindexes.c.leased_by == self.owner)
        changed = connection.execute(sa.update(reindexes).where(*mine).values(**values))
        return changed.rowcount == 1


def take(connection: sa.Connection, reindex: Reindex, worker: str, seconds: float) -> Lease | None:
    """Keep other workers off a reindex for so long; None if one of them holds it."""
    at, made = time.time(), Lease(reindex.pk, f"{worker}/{new_id()}", seconds)
    changed = connection.execute(
        sa.update(reindexes)
        .where(reindexes.c.pk == reindex.pk, lapsed(reindexes.c.leased_until, at))
        .values(leased_by=made.owner, leased_until=at + seconds)
    ).rowcount
    return made if changed == 1 else None
