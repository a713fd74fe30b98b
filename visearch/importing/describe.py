"""What a chunk says about its products, written in the order of acceptance."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from visearch.records import Attributes, Import
from visearch.store import catalogs
from visearch.store.schema import images, products


@dataclass
class Existing:
    """A product that this import may write."""

    pk: int
    images_version: int


class _Text(NamedTuple):
    """What a row says about its product; of several rows the first that says it decides."""

    title: str | None
    url: str | None
    attributes: Attributes

    def completed_by(self, later: _Text) -> _Text:
        attributes = {**later.attributes, **self.attributes}
        return _Text(self.title or later.title, self.url or later.url, attributes)


def describe(
    connection: sa.Connection, record: Import, rows: Sequence[sa.Row[Any]]
) -> dict[str, Existing]:
    """Insert or update the chunk's products; leaves out those written later than this import."""
    wanted: dict[str, _Text] = {}
    for row in rows:
        text = _Text(row.title, row.url, row.attributes)
        first = wanted.get(row.product_id)
        wanted[row.product_id] = first.completed_by(text) if first else text
    query = sa.select(products).where(
        products.c.catalog_pk == record.catalog_pk, products.c.external_id.in_(wanted)
    )
    found = {row.external_id: row for row in connection.execute(query)}
    outdated = record.accepted < catalogs.replaced(connection, record.catalog_pk)
    out = {}
    for product_id, text in wanted.items():
        old = found.get(product_id)
        if old is None and not outdated:
            out[product_id] = _insert_product(connection, record, product_id, text)
        elif old is not None and old.images_version <= record.accepted:
            _update_product(connection, record, text, old)
            out[product_id] = Existing(old.pk, old.images_version)
    return out


def _insert_product(
    connection: sa.Connection, record: Import, product_id: str, text: _Text
) -> Existing:
    result = connection.execute(
        sa.insert(products).values(
            catalog_pk=record.catalog_pk,
            external_id=product_id,
            **text._asdict(),
            meta_version=record.accepted,
            field_versions={},
            images_version=record.accepted,
            deleted=False,
            updated_at=time.time(),
        )
    )
    (pk,) = result.inserted_primary_key or (0,)
    return Existing(pk, record.accepted)


def _update_product(
    connection: sa.Connection, record: Import, text: _Text, old: sa.Row[Any]
) -> None:
    if old.images_version == record.accepted:  # a chunk of this import was here before
        text = _Text(old.title, old.url, old.attributes).completed_by(text)
    changes = {
        name: value
        for name, value in text._asdict().items()
        if old.field_versions.get(name, 0) <= record.accepted
    }
    connection.execute(
        sa.update(products)
        .where(products.c.pk == old.pk)
        .values(
            **changes,
            meta_version=max(old.meta_version, record.accepted),
            images_version=record.accepted,
            deleted=False,
            updated_at=time.time(),
        )
    )


def replace_older(
    connection: sa.Connection, record: Import, kept: Sequence[Existing], revision: int
) -> None:
    """The first picture of a newer write takes the place of all the older ones."""
    outdated = [p.pk for p in kept if p.images_version < record.accepted]
    if outdated:
        connection.execute(
            sa.update(images)
            .where(images.c.product_pk.in_(outdated), images.c.removed.is_(None))
            .values(removed=revision)
        )
