"""Turns at runs of feeds: which worker fetches a run's file, and for how long."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import sqlalchemy as sa

from visearch.ids import new_id
from visearch.store.feed_runs import ACTIVE, IMPORTING, JOINED, WAITING, FeedRun, record_of
from visearch.store.feeds import Feed, FeedFile, by_pk
from visearch.store.lapsed import lapsed
from visearch.store.schema import catalogs
from visearch.store.schema_feeds import feed_runs, feeds

AT_ONCE = 2
"""Files that are fetched for one catalog at a time."""

_FREED = {"leased_by": None, "leased_until": 0.0, "taken": 0}
_NO_ERROR = {"error_code": None, "error_detail": None}


class Turn(NamedTuple):
    """The right to fetch the file of a run; ``owner`` is no one else's name."""

    run: FeedRun
    feed: Feed
    owner: str


def take(connection: sa.Connection, worker: str, seconds: float) -> Turn | None:
    """Take the run that waits longest to be fetched, if there is one, for so many seconds.

    Of one catalog, ``AT_ONCE`` are fetched at a time: its hosts, if they are slow, keep no other
    catalog waiting.
    """
    at, owner = time.time(), f"{worker}/{new_id()}"
    pk = connection.execute(_waits(at)).scalar_one_or_none()
    if pk is None:
        return None
    taken = (
        sa.update(feed_runs)
        .where(feed_runs.c.pk == pk, *_free(at))
        .values(
            leased_by=owner,
            leased_until=at + seconds,
            not_before=0.0,
            taken=feed_runs.c.taken + 1,
        )
    )
    if connection.execute(taken).rowcount != 1:
        return None
    run = record_of(connection.execute(JOINED.where(feed_runs.c.pk == pk)).one())
    return Turn(run, by_pk(connection, run.feed_pk), owner)


def any_waiting(connection: sa.Connection) -> bool:
    """Tell whether a run's file is to be fetched now."""
    return connection.execute(_waits(time.time())).first() is not None


def _waits(at: float) -> sa.Select[tuple[int]]:
    busy = (
        sa.select(feeds.c.catalog_pk)
        .join(feed_runs, feed_runs.c.feed_pk == feeds.c.pk)
        .where(ACTIVE, feed_runs.c.status == WAITING, ~lapsed(feed_runs.c.leased_until, at))
        .group_by(feeds.c.catalog_pk)
        .having(sa.func.count() >= AT_ONCE)
    )
    return (
        sa.select(feed_runs.c.pk)
        .join(feeds, feeds.c.pk == feed_runs.c.feed_pk)
        .join(catalogs, catalogs.c.pk == feeds.c.catalog_pk)
        .where(*_free(at), catalogs.c.deleted_at.is_(None), feeds.c.catalog_pk.not_in(busy))
        .order_by(feed_runs.c.id)
        .limit(1)
    )


def _free(at: float) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        ACTIVE,
        feed_runs.c.status == WAITING,
        feed_runs.c.not_before <= at,
        lapsed(feed_runs.c.leased_until, at),
    )


def keep(connection: sa.Connection, turn: Turn, seconds: float) -> bool:
    """Extend a turn; False if it is another's by now, or its feed is gone."""
    return _set(connection, turn, leased_until=time.time() + seconds)


def release(connection: sa.Connection, turn: Turn) -> None:
    """Let the run be taken again at once: its feed is another one by now."""
    _set(connection, turn, **_FREED)


def put_off(
    connection: sa.Connection, turn: Turn, wait_s: float, code: str, detail: str, *, tried: bool
) -> None:
    """Let a run wait before its file is asked for again, for this reason."""
    _set(
        connection,
        turn,
        **_FREED,
        not_before=time.time() + wait_s,
        tries=turn.run.tries + tried,
        error_code=code,
        error_detail=detail,
    )


def fail(
    connection: sa.Connection, turn: Turn, code: str, detail: str, *, tried: bool = False
) -> None:
    """End a run that has no file to import."""
    error = {"error_code": code, "error_detail": detail}
    tries = turn.run.tries + tried
    _set(connection, turn, status="failed", finished_at=time.time(), tries=tries, **error)


def end_unchanged(connection: sa.Connection, turn: Turn) -> bool:
    """End a run whose file, and whose catalog, are as they were; False if it is another's turn."""
    return _set(connection, turn, status="unchanged", finished_at=time.time(), **_NO_ERROR)


def begin_import(connection: sa.Connection, turn: Turn, import_pk: int, file: FeedFile) -> bool:
    """Go on with the import of the file; False if the turn is another's by now."""
    of = {"import_pk": import_pk, "stated": turn.feed.stated, **file._asdict()}
    return _set(connection, turn, status=IMPORTING, not_before=0.0, **_NO_ERROR, **of)


def _set(connection: sa.Connection, turn: Turn, **values: Any) -> bool:
    mine = (
        feed_runs.c.pk == turn.run.pk,
        feed_runs.c.leased_by == turn.owner,
        feed_runs.c.status == WAITING,
    )
    return connection.execute(sa.update(feed_runs).where(*mine).values(**values)).rowcount == 1
