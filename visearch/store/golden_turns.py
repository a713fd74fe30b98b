"""Turns at golden queries: which worker checks one, for how long, and what it found."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import sqlalchemy as sa

from visearch.ids import new_id
from visearch.store.golden import Check, Golden, joined, picture_of, record_of
from visearch.store.lapsed import lapsed
from visearch.store.schema import catalogs
from visearch.store.schema_golden import golden_queries

FIRST_REST_S, LONGEST_REST_S = 2.0, 3600.0
"""So long a golden query rests after a check, and twice as long after each that was in vain."""


class Turn(NamedTuple):
    """The right to check a golden query; ``owner`` is no one else's name."""

    golden: Golden
    picture: bytes
    owner: str


def any_due(connection: sa.Connection) -> bool:
    """Tell whether a golden query is to be checked now."""
    return connection.execute(_due(time.time())).first() is not None


def take(connection: sa.Connection, worker: str, seconds: float) -> Turn | None:
    """Take a golden query that is to be checked, if there is one, for so many seconds."""
    at, owner = time.time(), f"{worker}/{new_id()}"
    pk = connection.execute(_due(at)).scalar_one_or_none()
    if pk is None:
        return None
    taken = (
        sa.update(golden_queries)
        .where(golden_queries.c.pk == pk, *_free(at))
        .values(leased_by=owner, leased_until=at + seconds)
    )
    if connection.execute(taken).rowcount != 1:
        return None
    golden = record_of(connection.execute(joined(golden_queries.c.pk == pk)).one())
    return Turn(golden, picture_of(connection, golden), owner)


def _due(at: float) -> sa.Select[tuple[int]]:
    """Select one that somebody asked for, that is new, or that another state has answered."""
    is_due = sa.or_(
        golden_queries.c.asked,
        golden_queries.c.generation.is_distinct_from(catalogs.c.generation),
        golden_queries.c.encoder.is_distinct_from(catalogs.c.fingerprint),
    )
    return (
        sa.select(golden_queries.c.pk)
        .join(catalogs, catalogs.c.pk == golden_queries.c.catalog_pk)
        .where(*_free(at), catalogs.c.deleted_at.is_(None), is_due)
        .order_by(golden_queries.c.not_before, golden_queries.c.pk)
        .limit(1)
    )


def _free(at: float) -> tuple[sa.ColumnElement[bool], ...]:
    return golden_queries.c.not_before <= at, lapsed(golden_queries.c.leased_until, at)


def settle(connection: sa.Connection, turn: Turn, check: Check, *, current: bool) -> bool:
    """Note what a check found; False if the turn is another's by now, or there is none any more.

    ``current`` tells whether the catalog's present generation and encoder answered; if not, it is
    checked again soon.
    """
    golden, tries = turn.golden, 0 if current else turn.golden.tries + 1
    values: dict[str, Any] = {
        "rank": check.rank,
        "checked_at": check.checked_at.timestamp(),
        "generation": check.generation,
        "encoder": check.encoder,
        "error_code": None,
        "error_detail": None,
        "asked": False,
    }
    last = golden.last
    if last is not None and last[2:] != check[2:]:
        values |= {
            "previous_rank": last.rank,
            "previous_at": last.checked_at.timestamp(),
            "previous_generation": last.generation,
            "previous_encoder": last.encoder,
        }
    return _end(connection, turn, tries, **values)


def fail(connection: sa.Connection, turn: Turn, code: str, detail: str) -> bool:
    """Note why a check had no result, and let it be tried again after a rest."""
    error = {"error_code": code, "error_detail": detail}
    return _end(connection, turn, turn.golden.tries + 1, **error)


def put_off(connection: sa.Connection, turn: Turn) -> bool:
    """Let a check be tried again after a rest: nobody had time for it, and nothing is wrong."""
    return _end(connection, turn, turn.golden.tries)


def _end(connection: sa.Connection, turn: Turn, tries: int, **values: Any) -> bool:
    mine = (golden_queries.c.pk == turn.golden.pk, golden_queries.c.leased_by == turn.owner)
    freed = {"leased_by": None, "leased_until": 0.0, "tries": tries}
    later = {"not_before": time.time() + rest_s(tries)}
    ended = sa.update(golden_queries).where(*mine).values(**freed, **later, **values)
    return connection.execute(ended).rowcount == 1


def rest_s(tries: int) -> float:
    """Return how long a golden query rests after so many checks that were in vain."""
    return float(min(FIRST_REST_S * 2 ** min(tries, 30), LONGEST_REST_S))
