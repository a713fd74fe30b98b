"""Imports: one row each, its counters kept in the transactions that change the ledger."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Final, Literal

import sqlalchemy as sa

from visearch.contract import PLAN_IMPORT, PlanPayload
from visearch.errors import NotFound
from visearch.ids import new_id
from visearch.records import ACTIVE, TERMINAL_IMPORT, Catalog, Counts, Import
from visearch.store import catalogs as catalog_rows
from visearch.store import outbox
from visearch.store.schema import catalogs, imports

Kind = Literal["file", "product"]
"""What an import was made of: an uploaded file, or a product that was put by itself."""

PRODUCTS: Final = "blobs"
"""The media of the imports of single products."""

GIVEN_UP = ("plan_failed", "waited_too_long")
"""Codes with which an import ends although its file may be sound."""

_COUNTERS = ("fetched", "decoded", "embedded", "searchable", "failed")
_GOES_ON = {"waiting_for": None, "waiting_since": None}
_JOINED = sa.select(imports, catalogs.c.name.label("catalog")).join(
    catalogs, catalogs.c.pk == imports.c.catalog_pk
)


def _record(row: sa.Row[Any]) -> Import:
    finished, waiting = row.finished_at, row.waiting_since
    return Import(
        pk=row.pk,
        id=row.id,
        catalog=row.catalog,
        catalog_pk=row.catalog_pk,
        accepted=row.accepted,
        mode=row.mode,
        media=row.media,
        source=row.source,
        status=row.status,
        planned=row.planned,
        counts=Counts(items=row.items, **{name: getattr(row, name) for name in _COUNTERS}),
        given_up=row.given_up,
        error_code=row.error_code,
        error_detail=row.error_detail,
        request_id=row.request_id,
        attempt=row.attempt,
        tries=row.tries,
        planner=row.planner,
        waiting_for=row.waiting_for,
        waiting_since=datetime.fromtimestamp(waiting, UTC) if waiting else None,
        created_at=datetime.fromtimestamp(row.created_at, UTC),
        finished_at=datetime.fromtimestamp(finished, UTC) if finished else None,
        guard=row.guard,
    )


def create(
    connection: sa.Connection,
    catalog: Catalog,
    *,
    import_id: str | None = None,
    mode: str,
    media: str,
    source: str,
    request_id: str,
    guard: float | None = None,
) -> Import:
    """Accept an import: it is ``received``, and has its number in the order of writes."""
    accepted = catalog_rows.next_accepted(connection, catalog.pk)
    at = time.time()
    import_id = import_id or new_id()
    connection.execute(
        sa.insert(imports).values(
            id=import_id,
            catalog_pk=catalog.pk,
            accepted=accepted,
            mode=mode,
            media=media,
            source=source,
            status="received",
            planned=False,
            attempt=1,
            guard=guard,
            request_id=request_id,
            created_at=at,
            changed_at=at,
            **dict.fromkeys(_COUNTERS, 0),
        )
    )
    return by_id(connection, import_id)


def by_id(connection: sa.Connection, import_id: str) -> Import:
    """Return an import whatever its catalog; raises NotFound."""
    row = connection.execute(_JOINED.where(imports.c.id == import_id)).one_or_none()
    if row is None:
        raise NotFound(f"There is no import {import_id!r}.")
    return _record(row)


def by_pk(connection: sa.Connection, import_pk: int) -> Import:
    """Return the import of a row that refers to it."""
    return _record(connection.execute(_JOINED.where(imports.c.pk == import_pk)).one())


def get(connection: sa.Connection, catalog: Catalog, import_id: str) -> Import:
    """Return an import of this catalog; raises NotFound."""
    found = by_id(connection, import_id)
    if found.catalog_pk != catalog.pk:
        raise NotFound(f"Catalog {catalog.name!r} has no import {import_id!r}.")
    return found


def page(
    connection: sa.Connection, catalog: Catalog, kind: Kind, before: str, limit: int
) -> list[Import]:
    """Return up to ``limit`` imports of a kind, newest first, older than the id ``before``."""
    # Spelled out as in the index of files, so that the database sees that it may use it.
    products: sa.ColumnElement[str] = sa.literal_column(f"'{PRODUCTS}'")
    is_kind = imports.c.media == products if kind == "product" else imports.c.media != products
    query = _JOINED.where(imports.c.catalog_pk == catalog.pk, is_kind)
    if before:
        query = query.where(imports.c.id < before)
    return [
        _record(row) for row in connection.execute(query.order_by(imports.c.id.desc()).limit(limit))
    ]


def any_active(connection: sa.Connection, catalog_pk: int) -> bool:
    """Tell whether an import is changing the catalog."""
    query = sa.select(imports.c.pk).where(
        imports.c.catalog_pk == catalog_pk, imports.c.status.in_(ACTIVE)
    )
    return connection.execute(query.limit(1)).first() is not None


def any_earlier(connection: sa.Connection, record: Import) -> bool:
    """Tell whether an import that was accepted earlier is still changing the catalog."""
    query = sa.select(imports.c.pk).where(
        imports.c.catalog_pk == record.catalog_pk,
        imports.c.status.in_(ACTIVE),
        imports.c.accepted < record.accepted,
    )
    return connection.execute(query.limit(1)).first() is not None


def active_of(connection: sa.Connection, catalog: Catalog) -> list[Import]:
    """Return the imports that are changing the catalog, in order of their keys."""
    mine = (imports.c.catalog_pk == catalog.pk, imports.c.status.in_(ACTIVE))
    return _read(connection, *mine)


def unplanned(connection: sa.Connection) -> list[Import]:
    """Return the active imports whose file was not read to its end."""
    return _read(connection, imports.c.status.in_(ACTIVE), imports.c.planned.is_(sa.false()))


def waiting_since(connection: sa.Connection, before: float) -> list[Import]:
    """Return the active imports that wait for a dependency since ``before`` or longer."""
    return _read(connection, imports.c.status.in_(ACTIVE), imports.c.waiting_since <= before)


def _read(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[Import]:
    query = _JOINED.where(*conditions).order_by(imports.c.pk)
    return [_record(row) for row in connection.execute(query)]


def count_active(connection: sa.Connection, most: int) -> int:
    """Count the imports under way, up to ``most``."""
    some = sa.select(imports.c.pk).where(imports.c.status.in_(ACTIVE)).limit(most).subquery()
    return connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()


def oldest_active_age_s(connection: sa.Connection) -> float:
    """Return for how many seconds the oldest import has been under way; 0 if none is."""
    query = sa.select(sa.func.min(imports.c.created_at)).where(imports.c.status.in_(ACTIVE))
    oldest = connection.execute(query).scalar_one()
    return 0.0 if oldest is None else time.time() - oldest


def lock(connection: sa.Connection, import_pk: int) -> Import:
    """Return the import, its row locked until the commit."""
    query = _JOINED.where(imports.c.pk == import_pk).with_for_update(of=imports)
    return _record(connection.execute(query).one())


def count(connection: sa.Connection, import_pk: int, **changes: int) -> None:
    """Add to the counters named in ``changes``: the import goes on, and waits for nothing."""
    connection.execute(
        sa.update(imports)
        .where(imports.c.pk == import_pk)
        .values(
            changed_at=time.time(),
            **_GOES_ON,
            **{name: imports.c[name] + delta for name, delta in changes.items()},
        )
    )


def revive(connection: sa.Connection, record: Import) -> bool:
    """Make an import that has ended active again; False if it cannot be tried again."""
    changed = connection.execute(
        sa.update(imports)
        .where(imports.c.pk == record.pk, imports.c.final.is_(sa.false()))
        .values(
            status="running" if record.planned else "received",
            items=record.counts.items if record.planned else None,
            attempt=record.attempt + 1,
            tries=1,
            given_up=0,
            error_code=None,
            error_detail=None,
            finished_at=None,
            changed_at=time.time(),
        )
    ).rowcount
    return changed == 1


def given_up(
    connection: sa.Connection, before: str = "", limit: int = 1, *, only: str = ""
) -> list[Import]:
    """Return imports of which work was given up, newest first, older than the id ``before``.

    Only those of live catalogs that have ended, or the one of them with the id ``only``.
    """
    query = _JOINED.where(
        imports.c.status.in_(TERMINAL_IMPORT),
        sa.or_(imports.c.given_up > 0, imports.c.error_code.in_(GIVEN_UP)),
        catalogs.c.deleted_at.is_(None),
    )
    if before:
        query = query.where(imports.c.id < before)
    if only:
        query = query.where(imports.c.id == only)
    return [
        _record(row) for row in connection.execute(query.order_by(imports.c.id.desc()).limit(limit))
    ]


def end(
    connection: sa.Connection,
    import_pk: int,
    status: str,
    *,
    items: int | None = None,
    code: str = "",
    detail: str = "",
) -> bool:
    """Give an active import its terminal state; False if it already had one.

    ``items`` is how many it has, where its file was not read to its end.
    """
    counted = {} if items is None else {"items": items}
    changed = connection.execute(
        sa.update(imports)
        .where(imports.c.pk == import_pk, imports.c.status.in_(ACTIVE))
        .values(
            status=status,
            error_code=code or None,
            error_detail=detail or None,
            finished_at=time.time(),
            changed_at=time.time(),
            planner=None,
            **_GOES_ON,
            **counted,
        )
    ).rowcount
    return changed == 1


def start(connection: sa.Connection, import_pk: int, n_items: int) -> None:
    """Mark an import as read to its end: it has ``n_items`` items and is running."""
    connection.execute(
        sa.update(imports)
        .where(imports.c.pk == import_pk, imports.c.status.in_(ACTIVE))
        .values(
            items=n_items,
            planned=True,
            planner=None,
            status="running",
            changed_at=time.time(),
            **_GOES_ON,
        )
    )


def note_waiting(connection: sa.Connection, import_pk: int, dependency: str) -> None:
    """Note that an import cannot go on because ``dependency`` does not answer."""
    since = sa.func.coalesce(imports.c.waiting_since, time.time())
    connection.execute(
        sa.update(imports)
        .where(imports.c.pk == import_pk)
        .values(waiting_for=dependency, waiting_since=since)
    )


def take_plan(
    connection: sa.Connection, import_id: str, attempt: int, worker: str
) -> Import | None:
    """Begin to read an import's file for the message of this attempt; None if it is out of date.

    Raises:
        NotFound: there is no such import.
    """
    by_id(connection, import_id)
    changed = connection.execute(
        sa.update(imports)
        .where(
            imports.c.id == import_id,
            imports.c.attempt == attempt,
            imports.c.planner.is_(None),
            imports.c.planned.is_(sa.false()),
            imports.c.status.in_(ACTIVE),
        )
        .values(planner=worker, changed_at=time.time())
    ).rowcount
    return by_id(connection, import_id) if changed else None


def send_plan(connection: sa.Connection, record: Import) -> None:
    """Put the message that has the import's file read into the outbox."""
    payload = PlanPayload(import_id=record.id, attempt=record.attempt, request_id=record.request_id)
    outbox.add(connection, PLAN_IMPORT, payload)


def plan_again(
    connection: sa.Connection, record: Import, *, tries: int | None = None, send: bool = True
) -> bool:
    """Begin another attempt at planning in place of this one; False if it is over already.

    Without ``send`` the reconciler sends the message when it finds it missing.
    """
    changed = connection.execute(
        sa.update(imports)
        .where(
            imports.c.pk == record.pk,
            imports.c.attempt == record.attempt,
            imports.c.planned.is_(sa.false()),
            imports.c.status.in_(ACTIVE),
        )
        .values(
            attempt=record.attempt + 1,
            tries=record.tries if tries is None else tries,
            planner=None,
            changed_at=time.time(),
        )
    ).rowcount
    if changed and send:
        send_plan(connection, by_pk(connection, record.pk))
    return changed == 1
