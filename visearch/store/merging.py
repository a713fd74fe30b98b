"""Merging: two products that are one. The pictures of one go to the other, and it is deleted."""

from __future__ import annotations

import time

import sqlalchemy as sa

from visearch.errors import Conflict, InvalidRequest
from visearch.records import Catalog, Product
from visearch.rules import MOST_IMAGES
from visearch.store import attributes, descriptions, products
from visearch.store import catalogs as catalog_rows
from visearch.store.schema import duplicates, images
from visearch.store.schema import products as product_rows


def merge(connection: sa.Connection, catalog: Catalog, keep: str, drop: str) -> Product:
    """Give the pictures of ``drop`` to ``keep`` and delete ``drop``; returns ``keep``.

    Pictures that both have are not doubled. It is a write of both products: what was accepted
    earlier and finishes later changes neither, and a later upload may bring ``drop`` back.

    Raises:
        NotFound: there is no such product.
        InvalidRequest: they are one product.
        Conflict: together they have more pictures than a product can have.
    """
    if keep == drop:
        detail = "a product cannot be merged with itself; name another one"
        raise InvalidRequest(detail, (("/drop", detail),))
    catalog_rows.next_revision(connection, catalog.pk)
    version = catalog_rows.next_accepted(connection, catalog.pk)
    for product_id in (keep, drop):
        products.get(connection, catalog, product_id)
    known = descriptions.known(connection, catalog.pk, [keep, drop])
    pks = {product_id: row.pk for product_id, row in known.items()}
    moved = _move(connection, pks[keep], pks[drop])
    products.remove(connection, catalog.pk, [drop], version)
    attributes.add_pictures(connection, catalog.pk, [(pks[keep], picture) for picture in moved])
    _forget_pairs(connection, pks[keep])
    connection.execute(
        sa.update(product_rows)
        .where(product_rows.c.pk == pks[keep])
        .values(images_version=version, updated_at=time.time())
    )
    return products.get(connection, catalog, keep)


def _move(connection: sa.Connection, keep: int, drop: int) -> list[int]:
    """Put those pictures of a product that the other lacks behind the other's; returns their keys.

    An index knows pictures and not whose they are: for it, nothing changes.
    """
    query = sa.select(images.c.pk, images.c.product_pk, images.c.sha256, images.c.position).where(
        images.c.product_pk.in_((keep, drop)), images.c.removed.is_(None)
    )
    rows = connection.execute(query.order_by(images.c.position, images.c.pk)).all()
    kept = [row for row in rows if row.product_pk == keep]
    seen = {row.sha256 for row in kept}
    moved: list[int] = []
    for row in rows:
        if row.sha256 not in seen:
            seen.add(row.sha256)
            moved.append(row.pk)
    if len(kept) + len(moved) > MOST_IMAGES:
        raise Conflict(
            f"Together the products have {len(kept) + len(moved):,} pictures; a product has at "
            f"most {MOST_IMAGES:,}. Delete one of them instead."
        )
    behind = max((row.position for row in kept), default=-1) + 1
    for place, pk in enumerate(moved):
        values = {"product_pk": keep, "position": behind + place}
        connection.execute(sa.update(images).where(images.c.pk == pk).values(**values))
    return moved


def _forget_pairs(connection: sa.Connection, product_pk: int) -> None:
    """Forget which pictures of a product look the same: they are no longer of different ones."""
    mine = sa.select(images.c.pk).where(images.c.product_pk == product_pk)
    connection.execute(
        sa.delete(duplicates).where(duplicates.c.first.in_(mine), duplicates.c.second.in_(mine))
    )
