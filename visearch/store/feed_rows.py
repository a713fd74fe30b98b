"""What a feed's file said last of each product, to tell which of them its catalog has already."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from visearch.records import Import
from visearch.store.database import replace
from visearch.store.schema import import_items, products
from visearch.store.schema_feeds import feed_rows

_NAMED = 1000
"""Products named in one statement."""


def current(
    connection: sa.Connection, feed_pk: int, record: Import, ids: Collection[str]
) -> dict[str, str]:
    """Return the digests of those of these products that are as earlier files of the feed said.

    That is: nobody has written them since.
    """
    found: dict[str, str] = {}
    named = sorted(ids)
    query = (
        sa.select(feed_rows.c.product_id, feed_rows.c.digest)
        .join(products, products.c.external_id == feed_rows.c.product_id)
        .where(
            feed_rows.c.feed_pk == feed_pk,
            feed_rows.c.version < record.accepted,
            products.c.catalog_pk == record.catalog_pk,
            products.c.deleted.is_(sa.false()),
            products.c.meta_version == feed_rows.c.version,
            products.c.images_version == feed_rows.c.version,
        )
    )
    for start in range(0, len(named), _NAMED):
        some = feed_rows.c.product_id.in_(named[start : start + _NAMED])
        found |= {row.product_id: row.digest for row in connection.execute(query.where(some))}
    return found


def note(
    connection: sa.Connection, feed_pk: int, record: Import, digests: Mapping[str, str]
) -> None:
    """Note what the file of this import says of products that it is about to write."""
    rows = [
        {"feed_pk": feed_pk, "product_id": product_id, "digest": digest, "version": record.accepted}
        for product_id, digest in sorted(digests.items())
    ]
    replace(connection, feed_rows, rows)


def page(connection: sa.Connection, feed_pk: int, after: str, limit: int) -> list[str]:
    """Return up to ``limit`` products of which something is known, by id from after ``after``."""
    mine = (feed_rows.c.feed_pk == feed_pk, feed_rows.c.product_id > after)
    query = sa.select(feed_rows.c.product_id).where(*mine).order_by(feed_rows.c.product_id)
    return list(connection.execute(query.limit(limit)).scalars())


def unnamed(connection: sa.Connection, import_pk: int, ids: Sequence[str]) -> list[str]:
    """Return those of these products that the file of an import does not name."""
    named: set[str] = set()
    for start in range(0, len(ids), _NAMED):
        query = sa.select(import_items.c.product_id).where(
            import_items.c.import_pk == import_pk,
            import_items.c.product_id.in_(ids[start : start + _NAMED]),
        )
        named.update(connection.execute(query.distinct()).scalars())
    return [each for each in ids if each not in named]


def forget(connection: sa.Connection, feed_pk: int, ids: Sequence[str]) -> None:
    """Forget what the file said of these products."""
    for start in range(0, len(ids), _NAMED):
        some = feed_rows.c.product_id.in_(ids[start : start + _NAMED])
        connection.execute(sa.delete(feed_rows).where(feed_rows.c.feed_pk == feed_pk, some))


def forget_of(connection: sa.Connection, feed_pks: Sequence[int], limit: int) -> int:
    """Forget up to ``limit`` products of these feeds; returns how many were."""
    key = (feed_rows.c.feed_pk, feed_rows.c.product_id)
    some = sa.select(*key).where(feed_rows.c.feed_pk.in_(feed_pks)).limit(limit)
    return connection.execute(sa.delete(feed_rows).where(sa.tuple_(*key).in_(some))).rowcount
