"""What a chunk says about its products, written in the order of acceptance."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from visearch.records import Attributes, Import
from visearch.store import attributes, catalogs, descriptions, images, looking, versions
from visearch.store.database import Connection
from visearch.store.descriptions import Described
from visearch.store.images import Again
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
    description: str | None
    attributes: Attributes

    @classmethod
    def of(cls, said: PendingItem | Described) -> _Text:
        return cls(said.title, said.url, said.description, said.attributes)

    def completed_by(self, later: _Text) -> _Text:
        return _Text(
            self.title or later.title,
            self.url or later.url,
            self.description or later.description,
            {**later.attributes, **self.attributes},
        )


def describe(
    connection: Connection, record: Import, items: Sequence[PendingItem]
) -> dict[str, Existing]:
    """Insert or update the chunk's products; leaves out those written later than this import."""
    wanted: dict[str, _Text] = {}
    for item in items:
        text = _Text.of(item)
        first = wanted.get(item.product_id)
        wanted[item.product_id] = first.completed_by(text) if first else text
    found = descriptions.known(connection, record.catalog_pk, list(wanted))
    outdated = record.accepted < catalogs.replaced(connection, record.catalog_pk)
    out: dict[str, Existing] = {}
    columns: list[tuple[int, Attributes, Attributes]] = []
    texts: dict[int, str] = {}
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
            texts[pk] = looking.text_of(product_id, text.title)
        elif old.images_version <= record.accepted:
            now = _update(connection, record, text, old)
            out[product_id] = Existing(old.pk, old.images_version)
            columns.append((old.pk, {} if old.deleted else old.attributes, now.attributes))
            if old.deleted or now.title != old.title:
                texts[old.pk] = looking.text_of(product_id, now.title)
    attributes.write(connection, record.catalog_pk, columns)
    looking.write(connection, record.catalog_pk, texts)
    return out


def _update(connection: Connection, record: Import, text: _Text, old: Described) -> _Text:
    """Write what is newer than the product's row; returns what the product says then."""
    had = _Text.of(old)
    if old.images_version == record.accepted:  # a chunk of this import was here before
        text = had.completed_by(text)
    brought = text._asdict()
    changes = versions.taken(old.field_versions, record.accepted, brought, had.attributes)
    descriptions.rewrite(connection, old, changes, record.accepted)
    return had._replace(**changes)


def replace_older(
    connection: Connection,
    record: Import,
    written: Sequence[Existing],
    revision: int,
    again: Collection[Again],
) -> set[Again]:
    """Let the first picture of a newer write take the place of all the older ones.

    Returns which of the pictures ``again`` their products have already: those stay.
    """
    older = {product.pk for product in written if product.images_version < record.accepted}
    if not older:
        return set()
    mine = [each for each in again if each.product_pk in older]
    return images.replace_of(connection, record.catalog_pk, older, revision, mine)
