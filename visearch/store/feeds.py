"""Feeds: the files that a catalog fetches by itself, and when.

Whoever changes a feed or begins a run holds its catalog's row lock.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from visearch.errors import InvalidRequest, NotFound
from visearch.records import Catalog
from visearch.schedule import Schedule, comes_at_once, next_time
from visearch.store.schema import catalogs
from visearch.store.schema_feeds import feed_runs, feeds

MOST = 50
"""Feeds of one catalog."""

FIRST_REST_S, LONGEST_REST_S = 3600.0, 86_400.0
"""What failed of a file is taken up again by schedule after an hour, then after twice as long."""

_FILE = ("sha256", "source", "etag", "modified")


class FeedFile(NamedTuple):
    """The file that a feed gave: its digest, and by what its host can tell whether it has changed.

    ``source`` is its URL after redirects.
    """

    sha256: str
    source: str
    etag: str | None
    modified: str | None


@dataclass(frozen=True, kw_only=True)
class Feed:
    """A file behind a URL that is imported again and again.

    ``settled`` is the acceptance number of the last import of its file, ``file``, if that came to
    its end: nothing but what failed is undone, and that until ``look_again_at``. ``stated`` counts
    the changes of what it is. ``next_run_at`` is None where it runs only when it is asked to.
    """

    pk: int
    catalog_pk: int
    catalog: str
    name: str
    url: str
    schedule: Schedule | None
    mode: Literal["upsert", "replace"]
    guard: float | None
    paused: bool
    next_run_at: datetime | None
    stated: int
    settled: int | None
    look_again_at: float | None
    rest_s: float | None
    file: FeedFile | None
    created_at: datetime
    updated_at: datetime


_JOINED = sa.select(feeds, catalogs.c.name.label("catalog")).join(
    catalogs, catalogs.c.pk == feeds.c.catalog_pk
)


def _record(row: sa.Row[Any]) -> Feed:
    return Feed(
        pk=row.pk,
        catalog_pk=row.catalog_pk,
        catalog=row.catalog,
        name=row.name,
        url=row.url,
        schedule=row.schedule,
        mode=row.mode,
        guard=row.guard,
        paused=row.paused,
        next_run_at=datetime.fromtimestamp(row.next_run_at, UTC) if row.next_run_at else None,
        stated=row.stated,
        settled=row.settled,
        look_again_at=row.look_again_at,
        rest_s=row.rest_s,
        file=file_of(row),
        created_at=datetime.fromtimestamp(row.created_at, UTC),
        updated_at=datetime.fromtimestamp(row.updated_at, UTC),
    )


def file_of(row: sa.Row[Any]) -> FeedFile | None:
    """Return the file that a row of a feed, or of a run, names."""
    return FeedFile(*(getattr(row, name) for name in _FILE)) if row.sha256 else None


def put(
    connection: sa.Connection,
    catalog: Catalog,
    name: str,
    *,
    url: str,
    schedule: Schedule | None,
    mode: str,
    guard: float | None,
    paused: bool,
) -> tuple[Feed, bool]:
    """Make a feed, or state an old one anew; returns it, and whether it is new.

    A new one whose schedule does not name a time of day is due at once. The next run of one that is
    another file or another import by now asks for its file whatever came before.

    Raises:
        InvalidRequest: the catalog has too many feeds.
    """
    at = time.time()
    said = {"url": url, "schedule": schedule, "mode": mode, "guard": guard, "paused": paused}
    old = _one(connection, catalog, name)
    if old is None:
        if _count(connection, catalog) >= MOST:
            detail = f"A catalog has at most {MOST} feeds. Delete one first."
            raise InvalidRequest(detail, (("name", detail),))
        row = {"catalog_pk": catalog.pk, "name": name, "created_at": at, "updated_at": at}
        due = None if paused or schedule is None else _first(schedule, at)
        connection.execute(sa.insert(feeds).values(**row, **said, next_run_at=due, stated=1))
        return get(connection, catalog, name), True
    changes: dict[str, Any] = {}
    if (old.url, old.mode, old.guard) != (url, mode, guard):
        changes |= {"settled": None, "stated": old.stated + 1}
    if (old.schedule, old.paused) != (schedule, paused):
        changes["next_run_at"] = None if paused or schedule is None else next_time(schedule, at)
    connection.execute(
        sa.update(feeds).where(feeds.c.pk == old.pk).values(**said, **changes, updated_at=at)
    )
    return get(connection, catalog, name), False


def _first(schedule: Schedule, at: float) -> float | None:
    return at if comes_at_once(schedule) else next_time(schedule, at)


def _count(connection: sa.Connection, catalog: Catalog) -> int:
    query = sa.select(sa.func.count()).where(feeds.c.catalog_pk == catalog.pk)
    return connection.execute(query).scalar_one()


def _one(connection: sa.Connection, catalog: Catalog, name: str) -> Feed | None:
    mine = (feeds.c.catalog_pk == catalog.pk, feeds.c.name == name)
    row = connection.execute(_JOINED.where(*mine)).one_or_none()
    return None if row is None else _record(row)


def get(connection: sa.Connection, catalog: Catalog, name: str) -> Feed:
    """Return one feed of a catalog; raises NotFound."""
    found = _one(connection, catalog, name)
    if found is None:
        raise NotFound(f"Catalog {catalog.name!r} has no feed {name!r}.")
    return found


def by_pk(connection: sa.Connection, feed_pk: int) -> Feed:
    """Return a feed by its key; raises NotFound if it was deleted."""
    row = connection.execute(_JOINED.where(feeds.c.pk == feed_pk)).one_or_none()
    if row is None:
        raise NotFound("The feed was deleted.")
    return _record(row)


def of_catalog(connection: sa.Connection, catalog: Catalog) -> list[Feed]:
    """Return the feeds of a catalog by name."""
    query = _JOINED.where(feeds.c.catalog_pk == catalog.pk).order_by(feeds.c.name)
    return [_record(row) for row in connection.execute(query)]


def due(connection: sa.Connection, at: float) -> list[Feed]:
    """Return the feeds of live catalogs whose time has come, those that wait longest first."""
    query = _JOINED.where(feeds.c.next_run_at <= at, catalogs.c.deleted_at.is_(None))
    return [_record(row) for row in connection.execute(query.order_by(feeds.c.next_run_at))]


def postpone(connection: sa.Connection, feed: Feed, at: float) -> None:
    """Let a feed be due next at its first time after ``at``."""
    later = None if feed.schedule is None else next_time(feed.schedule, at)
    connection.execute(sa.update(feeds).where(feeds.c.pk == feed.pk).values(next_run_at=later))


def settle(
    connection: sa.Connection, feed: Feed, accepted: int, file: FeedFile, *, whole: bool
) -> None:
    """Note that the import numbered ``accepted`` of this file has ended; ``whole``: none failed."""
    rest_s = None
    if not whole:
        rest_s = min(2 * feed.rest_s, LONGEST_REST_S) if feed.rest_s else FIRST_REST_S
    again = {"look_again_at": rest_s and time.time() + rest_s, "rest_s": rest_s}
    _set(connection, feed, settled=accepted, **again, **file._asdict())


def note_file(connection: sa.Connection, feed: Feed, file: FeedFile) -> None:
    """Note how to ask for changes of a file that came again as it was."""
    _set(connection, feed, **file._asdict())


def _set(connection: sa.Connection, feed: Feed, **values: Any) -> None:
    connection.execute(sa.update(feeds).where(feeds.c.pk == feed.pk).values(**values))


def unsettle(connection: sa.Connection, catalog_pk: int) -> None:
    """Let the next run of each feed of a catalog import its file, whether or not it has changed."""
    mine = feeds.c.catalog_pk == catalog_pk
    connection.execute(sa.update(feeds).where(mine).values(settled=None))


def is_settled(connection: sa.Connection, feed: Feed) -> bool:
    """Tell whether nothing was written since the file of the feed was imported."""
    query = sa.select(catalogs.c.accepted).where(catalogs.c.pk == feed.catalog_pk)
    return feed.settled is not None and feed.settled == connection.execute(query).scalar_one()


def delete(connection: sa.Connection, feed: Feed) -> None:
    """Forget a feed and its runs; the products stay."""
    connection.execute(sa.delete(feed_runs).where(feed_runs.c.feed_pk == feed.pk))
    connection.execute(sa.delete(feeds).where(feeds.c.pk == feed.pk))


def keys_of(connection: sa.Connection, catalog_pks: Sequence[int]) -> list[int]:
    """Return the keys of the feeds of these catalogs."""
    query = sa.select(feeds.c.pk).where(feeds.c.catalog_pk.in_(catalog_pks))
    return list(connection.execute(query).scalars())
