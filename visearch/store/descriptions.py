"""Products as imports write them: each description keeps the number of the write it is from.

The writer passes the attributes on to ``attributes.write``, for all products of a chunk at once.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from visearch.records import Attributes
from visearch.store import versions
from visearch.store.schema import products


class Described(NamedTuple):
    """A product's row, a tombstone's too; versions are acceptance numbers of writes.

    ``field_versions`` has those of what was changed alone (``versions``).
    """

    pk: int
    external_id: str
    title: str | None
    url: str | None
    description: str | None
    attributes: Attributes
    field_versions: dict[str, int]
    meta_version: int
    images_version: int
    deleted: bool


def known(
    connection: sa.Connection, catalog_pk: int, external_ids: Collection[str]
) -> dict[str, Described]:
    """Return those of the named products that have a row, deleted or not."""
    query = sa.select(*(products.c[name] for name in Described._fields)).where(
        products.c.catalog_pk == catalog_pk, products.c.external_id.in_(external_ids)
    )
    return {row.external_id: Described(*row) for row in connection.execute(query)}


def insert(
    connection: sa.Connection,
    catalog_pk: int,
    external_id: str,
    text: Mapping[str, Any],
    version: int,
) -> int:
    """Add a product with what a write says of it, field by field; returns its key."""
    result = connection.execute(
        sa.insert(products).values(
            catalog_pk=catalog_pk,
            external_id=external_id,
            **text,
            meta_version=version,
            field_versions={},
            images_version=version,
            deleted=False,
            updated_at=time.time(),
        )
    )
    (pk,) = result.inserted_primary_key or (0,)
    return int(pk)


def rewrite(
    connection: sa.Connection, old: Described, changes: Mapping[str, Any], version: int
) -> None:
    """Change these fields of a product by a write, which also brings it back if it was deleted."""
    connection.execute(
        sa.update(products)
        .where(products.c.pk == old.pk)
        .values(
            **changes,
            field_versions=versions.later(old.field_versions, version),
            meta_version=max(old.meta_version, version),
            images_version=version,
            deleted=False,
            updated_at=time.time(),
        )
    )
