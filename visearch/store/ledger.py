"""The ledger of an import: one row per item, from the plan to its fate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from visearch.records import TERMINAL_IMPORT, Attributes, Import, ImportItem, PlannedItem
from visearch.store.database import insert_new
from visearch.store.schema import chunks, import_items, import_rows, products

_SAID = ("title", "url", "description", "attributes")
"""What a row of the file may say of its product."""


REACHED = ("fetched", "decoded", "embedded", "searchable")
"""The counters of an import that a searchable item is in."""


class PendingItem(NamedTuple):
    """A ledger row without a fate: one picture of a product, and where its bytes are.

    ``sha256`` and ``thumbnail`` name its blobs once it is decoded. At the stage ``index`` its
    embedding is known already.
    """

    item: int
    product_id: str
    position: int
    title: str | None
    url: str | None
    description: str | None
    attributes: Attributes
    locator: dict[str, Any]
    sha256: str | None
    thumbnail: str | None
    stage: str


def planned_items(connection: sa.Connection, import_pk: int) -> int:
    """Count the ledger rows written so far."""
    query = sa.select(sa.func.count()).where(import_items.c.import_pk == import_pk)
    return connection.execute(query).scalar_one()


def add_items(
    connection: sa.Connection,
    import_pk: int,
    first: int,
    planned: Sequence[tuple[int, PlannedItem]],
) -> None:
    """Append ``(chunk, item)`` pairs to the ledger, numbered from ``first``."""
    said = {
        item.row: {name: getattr(item, name) for name in _SAID}
        for _, item in planned
        if not (item.code or item.done) and any(getattr(item, name) for name in _SAID)
    }
    texts = [{"import_pk": import_pk, "row": row, **text} for row, text in said.items()]
    insert_new(connection, import_rows, texts)  # its first pictures may be in an earlier batch
    rows = [
        {
            "import_pk": import_pk,
            "item": first + i,
            "chunk": chunk,
            "path": item.path,
            "product_id": item.product_id,
            "position": item.position,
            "row": item.row,
            "locator": item.locator,
            "stage": "index" if item.done else "fetch",
            "status": "failed" if item.code else "searchable" if item.done else "pending",
            "code": item.code,
            "detail": item.detail,
            "attempts": 1 if item.code else 0,
        }
        for i, (chunk, item) in enumerate(planned)
    ]
    connection.execute(sa.insert(import_items), rows)


class Listed(NamedTuple):
    """The product of an item, and whether it was listed as one that needs no work."""

    product_id: str
    is_done: bool


_DONE = sa.and_(import_items.c.status == "searchable", import_items.c.attempts == 0)


def product_of(connection: sa.Connection, import_pk: int, item: int) -> Listed | None:
    """Return the product of an item; None if there is no such item."""
    query = sa.select(import_items.c.product_id, _DONE.label("is_done")).where(
        import_items.c.import_pk == import_pk, import_items.c.item == item
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else Listed(row.product_id, bool(row.is_done))


def forget_done(connection: sa.Connection, import_pk: int, limit: int) -> int:
    """Forget up to ``limit`` items of an import that needed no work; returns how many were."""
    key = (import_items.c.import_pk, import_items.c.item)
    some = sa.select(*key).where(import_items.c.import_pk == import_pk, _DONE).limit(limit)
    return connection.execute(sa.delete(import_items).where(sa.tuple_(*key).in_(some))).rowcount


def pending(connection: sa.Connection, import_pk: int, number: int) -> list[PendingItem]:
    """Return the items of a chunk that have no fate yet, in file order."""
    query = (
        sa.select(
            import_items.c.item,
            import_items.c.product_id,
            import_items.c.position,
            import_rows.c.title,
            import_rows.c.url,
            import_rows.c.description,
            import_rows.c.attributes,
            import_items.c.locator,
            import_items.c.sha256,
            import_items.c.thumbnail,
            import_items.c.stage,
        )
        .select_from(import_items)
        .outerjoin(
            import_rows,
            sa.and_(
                import_rows.c.import_pk == import_items.c.import_pk,
                import_rows.c.row == import_items.c.row,
            ),
        )
        .where(
            import_items.c.import_pk == import_pk,
            import_items.c.chunk == number,
            import_items.c.status == "pending",
        )
        .order_by(import_items.c.item)
    )
    found = (PendingItem._make(row) for row in connection.execute(query))
    return [item if item.attributes else item._replace(attributes={}) for item in found]


def update_items(
    connection: sa.Connection, import_pk: int, changes: Iterable[Mapping[str, Any]]
) -> None:
    """Apply column changes to ledger rows; each mapping names its ``item``."""
    groups: dict[frozenset[str], list[dict[str, Any]]] = {}
    for change in changes:
        bound = {f"set_{k}": v for k, v in change.items() if k != "item"}
        groups.setdefault(frozenset(bound), []).append({**bound, "at_item": change["item"]})
    for names, rows in groups.items():
        connection.execute(
            sa.update(import_items)
            .where(
                import_items.c.import_pk == import_pk,
                import_items.c.item == sa.bindparam("at_item"),
            )
            .values({name.removeprefix("set_"): sa.bindparam(name) for name in names}),
            rows,
        )


def items(
    connection: sa.Connection,
    record: Import,
    *,
    after: int = -1,
    limit: int,
    status: str | None = None,
    stage: str | None = None,
) -> list[ImportItem]:
    """Return ledger rows in file order, after item number ``after``.

    What has no fate when its import ends is failed for the reason that ended it. Nothing is
    written for that: it may be a million rows.
    """
    over = record.status in TERMINAL_IMPORT
    if status == "pending" and over:
        return []
    mine = sa.and_(
        chunks.c.import_pk == import_items.c.import_pk,
        chunks.c.chunk == import_items.c.chunk,
        chunks.c.state == "waiting",
        chunks.c.not_before > 0,
    )
    query = (
        sa.select(import_items, chunks.c.not_before)
        .select_from(import_items.outerjoin(chunks, mine))
        .where(import_items.c.import_pk == record.pk, import_items.c.item > after)
    )
    if stage:
        query = query.where(import_items.c.stage == stage)
    query = query.order_by(import_items.c.item).limit(limit)
    rows = [
        row for kind in _kinds(status, record) for row in connection.execute(query.where(*kind))
    ]
    rows.sort(key=lambda row: row.item)
    return [_item(row, record if over else None) for row in rows[:limit]]


def _kinds(status: str | None, record: Import) -> list[tuple[sa.ColumnElement[bool], ...]]:
    """Return the conditions for rows of a status; those of the few that failed have an index."""
    if status is None:
        return [()]
    if status != "failed":
        return [(import_items.c.status == status,)]
    # Spelled out as in the index, so that the database sees that it may use it.
    failed = import_items.c.status == sa.literal_column("'failed'")
    if record.status in ("cancelled", "failed"):  # the others that ended have left nothing pending
        return [(failed,), (import_items.c.status == "pending",)]
    return [(failed,)]


def _item(row: sa.Row[Any], ended: Import | None) -> ImportItem:
    unsettled = ended is not None and row.status == "pending"
    code, detail = (
        reason_of_end(ended) if ended is not None and unsettled else (row.code, row.detail)
    )
    again = row.not_before if row.status == "pending" and ended is None else None
    return ImportItem(
        item=row.item,
        path=row.path,
        product_id=row.product_id,
        stage=row.stage,
        status="failed" if unsettled else row.status,
        code=code,
        detail=detail,
        attempts=row.attempts,
        thumbnail=row.thumbnail,
        next_try_at=datetime.fromtimestamp(again, UTC) if again else None,
    )


def reason_of_end(ended: Import) -> tuple[str, str]:
    """Return the code and the detail of what had no fate when its import ended."""
    if ended.error_code is None:
        return "cancelled", "The import was cancelled before this picture was searchable."
    return ended.error_code, ended.error_detail or ""


def has_pending(connection: sa.Connection, import_pk: int) -> bool:
    """Tell whether a picture of the import may still become searchable, or has."""
    query = sa.select(import_items.c.item).where(
        import_items.c.import_pk == import_pk, import_items.c.status != "failed"
    )
    return connection.execute(query.limit(1)).first() is not None


def count_nameless(connection: sa.Connection, import_pk: int) -> int:
    """Count the items of which nobody can tell which product they belong to."""
    query = sa.select(sa.func.count()).where(
        import_items.c.import_pk == import_pk, import_items.c.product_id == ""
    )
    return connection.execute(query).scalar_one()


def unnamed_products(connection: sa.Connection, record: Import) -> list[str]:
    """Return the ids of the catalog's products that the file of an import does not name.

    Without those written after the import was accepted: they are newer than the file.
    """
    absent = sa.select(products.c.external_id).where(*_unnamed(record))
    return list(connection.execute(absent).scalars())


def count_unnamed(connection: sa.Connection, record: Import) -> int:
    """Count the products that ``unnamed_products`` returns."""
    query = sa.select(sa.func.count()).select_from(products).where(*_unnamed(record))
    return connection.execute(query).scalar_one()


def _unnamed(record: Import) -> tuple[sa.ColumnElement[bool], ...]:
    # Not NOT IN: PostgreSQL would look through all the names for each product of a large catalog.
    named = sa.exists().where(
        import_items.c.import_pk == record.pk, import_items.c.product_id == products.c.external_id
    )
    return (
        products.c.catalog_pk == record.catalog_pk,
        products.c.deleted.is_(sa.false()),
        products.c.meta_version < record.accepted,
        products.c.images_version < record.accepted,
        ~named,
    )


class Retried(NamedTuple):
    """How many items are tried again, and how far they had come."""

    items: int
    fetched: int
    decoded: int
    embedded: int


def retry(connection: sa.Connection, record: Import, first_chunk: int, per_chunk: int) -> Retried:
    """Make the items that may succeed after all pending again, in new chunks from ``first_chunk``.

    Not those that the file itself rules out, and those that a later write has overtaken.
    """
    mine = (
        import_items.c.import_pk == record.pk,
        import_items.c.status.in_(("failed", "pending")),
        sa.cast(import_items.c.locator, sa.Text) != "{}",
        sa.func.coalesce(import_items.c.code, "") != "superseded",
    )
    reached = [
        sa.func.count(sa.case((import_items.c.stage.in_(stages), 1)))
        for stages in (("decode", "embed", "index"), ("embed", "index"), ("index",))
    ]
    counts = connection.execute(sa.select(sa.func.count(), *reached).where(*mine)).one()
    connection.execute(
        sa.update(import_items)
        .where(*mine)
        .values(
            status="pending",
            stage="fetch",
            code=None,
            detail=None,
            attempts=0,
            chunk=first_chunk + import_items.c.item // per_chunk,
        )
    )
    return Retried._make(counts)


def pending_chunks(connection: sa.Connection, record: Import, first: int) -> list[int]:
    """Return the numbers, from ``first``, of the chunks that have pending items."""
    query = sa.select(import_items.c.chunk).where(
        import_items.c.import_pk == record.pk,
        import_items.c.status == "pending",
        import_items.c.chunk >= first,
    )
    return list(connection.execute(query.distinct().order_by(import_items.c.chunk)).scalars())


def forget_some(connection: sa.Connection, import_pks: Sequence[int], limit: int) -> int:
    """Delete up to ``limit`` rows of each table of these imports; returns how many were."""
    deleted = 0
    for table, number in ((import_items, "item"), (import_rows, "row")):
        key = (table.c.import_pk, table.c[number])
        some = sa.select(*key).where(table.c.import_pk.in_(import_pks)).limit(limit)
        gone = connection.execute(sa.delete(table).where(sa.tuple_(*key).in_(some)))
        deleted += gone.rowcount
    return deleted
