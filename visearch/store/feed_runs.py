"""Runs of feeds: each is one try to make a catalog as the feed's file says.

waiting → importing → succeeded, partial, failed or cancelled, as its import ends
        → unchanged, failed or cancelled: there is nothing to import
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from visearch.errors import Conflict, NotFound
from visearch.ids import new_id
from visearch.records import TERMINAL_IMPORT, Import
from visearch.store.feeds import Feed, FeedFile, file_of
from visearch.store.schema import import_items, imports, products
from visearch.store.schema_feeds import feed_runs

WAITING, IMPORTING = "waiting", "importing"
Cause = Literal["schedule", "request"]
Status = Literal["waiting", "importing", "unchanged", "succeeded", "partial", "failed", "cancelled"]
KEPT = 100
"""Runs of a feed that are remembered."""

ACTIVE = feed_runs.c.finished_at.is_(None)


class Difference(NamedTuple):
    """How many products a run's file added, changed, left alone and removed.

    Of those that it added or changed, ``failed`` have a picture that cannot be searched; so have
    rows that cannot be read.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: int = 0


@dataclass(frozen=True, kw_only=True)
class FeedRun:
    """One run. ``file`` is what was fetched; ``next_try_at`` when it is tried again.

    ``taken`` counts how often workers took it since the last try that came to an end. ``stated`` is
    that of its feed when its file was fetched.
    """

    pk: int
    id: str
    feed_pk: int
    cause: Cause
    whole: bool
    status: Status
    stated: int
    tries: int
    taken: int
    next_try_at: datetime | None
    import_pk: int | None
    import_id: str | None
    file: FeedFile | None
    difference: Difference
    error_code: str | None
    error_detail: str | None
    created_at: datetime
    finished_at: datetime | None


JOINED = sa.select(feed_runs, imports.c.id.label("import_id")).outerjoin(
    imports, imports.c.pk == feed_runs.c.import_pk
)


def record_of(row: sa.Row[Any]) -> FeedRun:
    """Return the run of a row of ``JOINED``."""
    put_off = row.status == WAITING and row.not_before > 0
    return FeedRun(
        pk=row.pk,
        id=row.id,
        feed_pk=row.feed_pk,
        cause=row.cause,
        whole=row.whole,
        status=row.status,
        stated=row.stated,
        tries=row.tries,
        taken=row.taken,
        next_try_at=datetime.fromtimestamp(row.not_before, UTC) if put_off else None,
        import_pk=row.import_pk,
        import_id=row.import_id,
        file=file_of(row),
        difference=Difference(*(getattr(row, name) for name in Difference._fields)),
        error_code=row.error_code,
        error_detail=row.error_detail,
        created_at=datetime.fromtimestamp(row.created_at, UTC),
        finished_at=datetime.fromtimestamp(row.finished_at, UTC) if row.finished_at else None,
    )


def create(connection: sa.Connection, feed: Feed, cause: Cause, *, whole: bool = False) -> FeedRun:
    """Begin a run; forget all but the last ``KEPT``. The caller holds the catalog's row lock.

    Raises:
        Conflict: another one of this feed is under way.
    """
    if (other := active(connection, feed)) is not None:
        raise Conflict(f"Run {other.id} of this feed is under way. Wait for its end.")
    return _insert(connection, feed, new_id(), cause, whole)


def ask(connection: sa.Connection, feed: Feed, run_id: str, *, whole: bool) -> FeedRun:
    """Begin a run with the id ``run_id`` because somebody asks; one that is put off goes on now.

    The one that has this id already is returned as it is. The caller holds the catalog's row lock.

    Raises:
        Conflict: another one is being fetched or imported.
    """
    mine = (feed_runs.c.feed_pk == feed.pk, feed_runs.c.id == run_id)
    row = connection.execute(JOINED.where(*mine)).one_or_none()
    if row is not None:
        return record_of(row)
    other = active(connection, feed)
    if other is None:
        return _insert(connection, feed, run_id, "request", whole)
    if other.next_try_at is None:
        raise Conflict(f"Run {other.id} of this feed is under way. Wait for its end.")
    hasten(connection, feed, whole=whole or other.whole)
    return get(connection, feed, other.id)


def _insert(
    connection: sa.Connection, feed: Feed, run_id: str, cause: Cause, whole: bool
) -> FeedRun:
    mine = feed_runs.c.feed_pk == feed.pk
    connection.execute(
        sa.insert(feed_runs).values(
            id=run_id,
            feed_pk=feed.pk,
            cause=cause,
            whole=whole,
            status=WAITING,
            stated=feed.stated,
            tries=0,
            taken=0,
            not_before=0.0,
            leased_until=0.0,
            created_at=time.time(),
            **Difference()._asdict(),
        )
    )
    newest = sa.select(feed_runs.c.id).where(mine).order_by(feed_runs.c.id.desc()).offset(KEPT)
    old = list(connection.execute(newest.limit(KEPT)).scalars())
    connection.execute(sa.delete(feed_runs).where(mine, feed_runs.c.id.in_(old)))
    return get(connection, feed, run_id)


def active(connection: sa.Connection, feed: Feed) -> FeedRun | None:
    """Return the run of a feed that is under way, if one is."""
    row = connection.execute(JOINED.where(feed_runs.c.feed_pk == feed.pk, ACTIVE)).one_or_none()
    return None if row is None else record_of(row)


def hasten(connection: sa.Connection, feed: Feed, *, whole: bool | None = None) -> None:
    """Let a run that is put off go on now, with all its tries."""
    changes: dict[str, Any] = {} if whole is None else {"whole": whole}
    _change_waiting(connection, feed, not_before=0.0, tries=0, **changes)


def cancel(connection: sa.Connection, feed: Feed) -> None:
    """End a run that has no file yet."""
    _change_waiting(connection, feed, status="cancelled", finished_at=time.time())


def _change_waiting(connection: sa.Connection, feed: Feed, **values: Any) -> None:
    mine = (feed_runs.c.feed_pk == feed.pk, feed_runs.c.status == WAITING, ACTIVE)
    connection.execute(sa.update(feed_runs).where(*mine).values(**values))


def get(connection: sa.Connection, feed: Feed, run_id: str) -> FeedRun:
    """Return one run of a feed; raises NotFound."""
    mine = (feed_runs.c.feed_pk == feed.pk, feed_runs.c.id == run_id)
    row = connection.execute(JOINED.where(*mine)).one_or_none()
    if row is None:
        raise NotFound(f"Feed {feed.name!r} has no run {run_id!r}; the last {KEPT} are kept.")
    return record_of(row)


def page(connection: sa.Connection, feed: Feed, before: str, limit: int) -> list[FeedRun]:
    """Return up to ``limit`` runs of a feed, newest first, older than the id ``before``."""
    query = JOINED.where(feed_runs.c.feed_pk == feed.pk)
    if before:
        query = query.where(feed_runs.c.id < before)
    query = query.order_by(feed_runs.c.id.desc()).limit(limit)
    return [record_of(row) for row in connection.execute(query)]


def last_of(connection: sa.Connection, all_feeds: Sequence[Feed]) -> dict[int, FeedRun]:
    """Return the last run of each of these feeds by its key; those that never ran are left out."""
    pks = [feed.pk for feed in all_feeds]
    newest = (
        sa.select(sa.func.max(feed_runs.c.id))
        .where(feed_runs.c.feed_pk.in_(pks))
        .group_by(feed_runs.c.feed_pk)
    )
    rows = connection.execute(JOINED.where(feed_runs.c.id.in_(newest)))
    return {row.feed_pk: record_of(row) for row in rows}


def of_import(
    connection: sa.Connection, import_pk: int, *, for_update: bool = False
) -> FeedRun | None:
    """Return the run that an import is made for, if it is for one; its row may be locked."""
    query = JOINED.where(feed_runs.c.import_pk == import_pk)
    if for_update:
        query = query.with_for_update(of=feed_runs)
    row = connection.execute(query).one_or_none()
    return None if row is None else record_of(row)


def older_imports(connection: sa.Connection, feed_pk: int, spared: int) -> list[int]:
    """Return the imports of the last but ``spared`` runs of a feed that have one, by their keys.

    As many again: those before them were returned after earlier runs.
    """
    query = (
        sa.select(feed_runs.c.import_pk)
        .where(feed_runs.c.feed_pk == feed_pk, feed_runs.c.import_pk.is_not(None))
        .order_by(feed_runs.c.id.desc())
        .offset(spared)
        .limit(spared)
    )
    return list(connection.execute(query).scalars())


def count(connection: sa.Connection, run: FeedRun, difference: Difference) -> None:
    """Add to what a run's file makes different."""
    changes = {
        name: feed_runs.c[name] + more for name, more in difference._asdict().items() if more
    }
    if changes:
        connection.execute(sa.update(feed_runs).where(feed_runs.c.pk == run.pk).values(changes))


def imported(connection: sa.Connection) -> list[FeedRun]:
    """Return the runs under way whose import has ended, or was forgotten."""
    query = JOINED.where(
        feed_runs.c.status == IMPORTING,
        feed_runs.c.finished_at.is_(None),
        sa.or_(imports.c.status.in_(TERMINAL_IMPORT), imports.c.pk.is_(None)),
    )
    return [record_of(row) for row in connection.execute(query.order_by(feed_runs.c.pk))]


def count_failed(connection: sa.Connection, import_pk: int) -> int:
    """Count the products of an import of which something is not searchable.

    Rows without an id count one each.
    """
    mine = (import_items.c.import_pk == import_pk, _UNDONE)
    named = sa.select(sa.func.count(sa.distinct(import_items.c.product_id))).where(
        *mine, import_items.c.product_id != ""
    )
    nameless = sa.select(sa.func.count()).where(*mine, import_items.c.product_id == "")
    return int(connection.execute(named).scalar_one() + connection.execute(nameless).scalar_one())


_UNDONE = import_items.c.status != "searchable"


def undone(
    connection: sa.Connection, import_pk: int, after: int, limit: int
) -> list[tuple[int, str]]:
    """Return up to ``limit`` items, from after ``after``, that are not searchable: product ids."""
    query = (
        sa.select(import_items.c.item, import_items.c.product_id)
        .where(import_items.c.import_pk == import_pk, import_items.c.item > after, _UNDONE)
        .order_by(import_items.c.item)
        .limit(limit)
    )
    return [(row.item, row.product_id) for row in connection.execute(query)]


def count_removed(connection: sa.Connection, record: Import) -> int:
    """Count the products that a replace has removed."""
    query = sa.select(sa.func.count()).where(
        products.c.catalog_pk == record.catalog_pk,
        products.c.deleted.is_(sa.true()),
        products.c.meta_version == record.accepted,
    )
    return connection.execute(query).scalar_one()


def end(
    connection: sa.Connection,
    run: FeedRun,
    status: str,
    *,
    code: str | None,
    detail: str | None,
    **counts: int,
) -> bool:
    """End a run as its import has ended, with these counts; False if it had ended."""
    changed = connection.execute(
        sa.update(feed_runs)
        .where(feed_runs.c.pk == run.pk, ACTIVE)
        .values(
            status=status,
            finished_at=time.time(),
            error_code=code,
            error_detail=detail,
            **counts,
        )
    )
    return changed.rowcount == 1
