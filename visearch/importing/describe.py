"""What a chunk says about its products, written in the order of acceptance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from visearch.records import Attributes, Import
from visearch.store import attributes, catalogs, descriptions, images
from visearch.store.database import Connection
from visearch.store.descriptions import Described
from visearch.store.ledger import PendingItem


@dataclass
class Existing:
    """A product that this import may write."""

    pk: int
    images_version: int


class _Text(NamedTuple):
    """What an item says about its product; of several items the first that says it decides."""

    title: str | None
    url: str | None
    attributes: Attributes

    def completed_by(self, later: _Text) -> _Text:
        both = {**later.attributes, **self.attributes}
        return _Text(self.title or later.title, self.url or later.url, both)


def describe(
    connection: Connection, record: Import, items: Sequence[PendingItem]
) -> dict[str, Existing]:
    """Insert or update the chunk's products; leaves out those written later than this import."""
    wanted: dict[str, _Text] = {}
    for item in items:
        text = _Text(item.title, item.url, item.attributes)
        first = wanted.get(item.product_id)
        wanted[item.product_id] = first.completed_by(text) if first else text
    found = descriptions.known(connection, record.catalog_pk, list(wanted))
    outdated = record.accepted < catalogs.replaced(connection, record.catalog_pk)
    out: dict[str, Existing] = {}
    columns: list[tuple[int, Attributes, Attributes]] = []
    for product_id, text in wanted.items():
        old = found.get(product_id)
        if outdated and (old is None or old.deleted):
            continue  # a later import replaced the catalog, and this product was not in it
        if old is None:
            pk = descriptions.insert(
                connection, record.catalog_pk, product_id, text._asdict(), record.accepted
            )
            out[product_id] = Existing(pk, record.accepted)
            columns.append((pk, {}, text.attributes))
        elif old.images_version <= record.accepted:
            now = _update(connection, record, text, old)
            out[product_id] = Existing(old.pk, old.images_version)
            columns.append((old.pk, {} if old.deleted else old.attributes, now))
    attributes.write(connection, record.catalog_pk, columns)
    return out


def _update(connection: Connection, record: Import, text: _Text, old: Described) -> Attributes:
    """Write what is newer than the product's row; returns the attributes it has then."""
    if old.images_version == record.accepted:  # a chunk of this import was here before
        text = _Text(old.title, old.url, old.attributes).completed_by(text)
    changes = {
        name: value
        for name, value in text._asdict().items()
        if old.field_versions.get(name, 0) <= record.accepted
    }
    descriptions.rewrite(connection, old, changes, record.accepted)
    now: Attributes = changes.get("attributes", old.attributes)
    return now


def replace_older(
    connection: Connection, record: Import, kept: Sequence[Existing], revision: int
) -> None:
    """Let the first picture of a newer write take the place of all the older ones."""
    older = [product.pk for product in kept if product.images_version < record.accepted]
    images.remove_of(connection, record.catalog_pk, older, revision)
