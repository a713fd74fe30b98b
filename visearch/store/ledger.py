"""The ledger of an import: one row per item, from the plan to its fate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from visearch.records import Attributes, Import, ImportItem, PlannedItem
from visearch.store import imports
from visearch.store.schema import import_items, products


class PendingItem(NamedTuple):
    """A ledger row without a fate: one picture of a product, and where its bytes are.

    ``sha256`` and ``thumbnail`` name its blobs once it is decoded.
    """

    item: int
    product_id: str
    position: int
    title: str | None
    url: str | None
    attributes: Attributes
    locator: dict[str, Any]
    sha256: str | None
    thumbnail: str | None


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
    rows = [
        {
            "import_pk": import_pk,
            "item": first + i,
            "chunk": chunk,
            "path": item.path,
            "product_id": item.product_id,
            "position": item.position,
            "title": item.title,
            "url": item.url,
            "attributes": item.attributes,
            "locator": item.locator,
            "stage": "fetch",
            "status": "failed" if item.code else "pending",
            "code": item.code,
            "detail": item.detail,
            "attempts": 1 if item.code else 0,
        }
        for i, (chunk, item) in enumerate(planned)
    ]
    connection.execute(sa.insert(import_items), rows)


def pending(connection: sa.Connection, import_pk: int, number: int) -> list[PendingItem]:
    """Return the items of a chunk that have no fate yet, in file order."""
    query = (
        sa.select(*(import_items.c[name] for name in PendingItem._fields))
        .where(
            import_items.c.import_pk == import_pk,
            import_items.c.chunk == number,
            import_items.c.status == "pending",
        )
        .order_by(import_items.c.item)
    )
    return [PendingItem(*row) for row in connection.execute(query)]


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


def fail_pending(connection: sa.Connection, import_pk: int, code: str, detail: str) -> None:
    """Fail every item that has no fate yet, and count them."""
    failed = connection.execute(
        sa.update(import_items)
        .where(import_items.c.import_pk == import_pk, import_items.c.status == "pending")
        .values(status="failed", code=code, detail=detail)
    ).rowcount
    imports.count(connection, import_pk, failed=failed)


def items(
    connection: sa.Connection,
    import_pk: int,
    *,
    after: int = -1,
    limit: int,
    status: str | None = None,
    stage: str | None = None,
) -> list[ImportItem]:
    """Return ledger rows in file order, after item number ``after``."""
    query = sa.select(import_items).where(
        import_items.c.import_pk == import_pk, import_items.c.item > after
    )
    if status:
        query = query.where(import_items.c.status == status)
    if stage:
        query = query.where(import_items.c.stage == stage)
    return [
        ImportItem(
            item=row.item,
            path=row.path,
            product_id=row.product_id,
            stage=row.stage,
            status=row.status,
            code=row.code,
            detail=row.detail,
            attempts=row.attempts,
        )
        for row in connection.execute(query.order_by(import_items.c.item).limit(limit))
    ]


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
    named = sa.select(import_items.c.product_id).where(import_items.c.import_pk == record.pk)
    absent = sa.select(products.c.external_id).where(
        products.c.catalog_pk == record.catalog_pk,
        products.c.deleted.is_(sa.false()),
        products.c.meta_version < record.accepted,
        products.c.images_version < record.accepted,
        products.c.external_id.not_in(named),
    )
    return list(connection.execute(absent).scalars())
