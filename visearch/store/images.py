"""Pictures of products: added with their embeddings, replaced, forgotten, sampled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from visearch.ids import new_id
from visearch.records import Attributes, Catalog
from visearch.store import attributes
from visearch.store.schema import catalogs, embeddings, images, products

_NAMED = 1000
"""Pictures named in one statement."""


class NewImage(NamedTuple):
    """A picture to be added; its embedding is row ``row`` of the segment ``segment``."""

    product_pk: int
    position: int
    sha256: str | None
    thumbnail: str | None
    segment: str
    row: int


class Known(NamedTuple):
    """What was made of a picture: its thumbnail, and its embedding."""

    thumbnail: str
    segment: str
    row: int


class Pictured(NamedTuple):
    """A stored picture, and what its product's attributes are."""

    pk: int
    sha256: str
    product_pk: int
    attributes: Attributes


class Shown(NamedTuple):
    """A picture behind a thumbnail: its catalog, the digest of its bytes, its encoder's spec."""

    catalog_pk: int
    sha256: str
    encoder: str


def of_thumbnail(connection: sa.Connection, digest: str) -> list[Shown]:
    """Return the live pictures, each once, that show this thumbnail."""
    query = (
        sa.select(images.c.catalog_pk, images.c.sha256, catalogs.c.encoder)
        .join(catalogs, catalogs.c.pk == images.c.catalog_pk)
        .where(
            images.c.thumbnail == digest,
            images.c.removed.is_(None),
            catalogs.c.deleted_at.is_(None),
        )
        .distinct()
    )
    return [Shown(*row) for row in connection.execute(query)]


def show(connection: sa.Connection, before: str, after: str) -> None:
    """Let the live pictures that show the thumbnail ``before`` show ``after``."""
    connection.execute(
        sa.update(images)
        .where(images.c.thumbnail == before, images.c.removed.is_(None))
        .values(thumbnail=after)
    )


def one_stored(connection: sa.Connection, catalog: Catalog) -> tuple[str, str] | None:
    """Return the digest of a live picture that can be found, and its product's id."""
    query = (
        sa.select(images.c.sha256, products.c.external_id)
        .join(products, products.c.pk == images.c.product_pk)
        .join(embeddings, embeddings.c.image_pk == images.c.pk)
        .where(
            images.c.catalog_pk == catalog.pk,
            images.c.removed.is_(None),
            embeddings.c.fingerprint == catalog.fingerprint,
            embeddings.c.segment.is_not(None),
        )
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else (row.sha256, row.external_id)


def insert(
    connection: sa.Connection,
    catalog_pk: int,
    revision: int,
    new: Sequence[NewImage],
    *,
    fingerprint: str,
) -> None:
    """Add pictures at a revision, with embeddings of the encoder ``fingerprint``."""
    if not new:
        return
    rows = [
        {
            "id": new_id(),
            "catalog_pk": catalog_pk,
            "product_pk": each.product_pk,
            "position": each.position,
            "sha256": each.sha256,
            "thumbnail": each.thumbnail,
            "added": revision,
        }
        for each in new
    ]
    known = sa.insert(images).returning(images.c.pk, sort_by_parameter_order=True)
    keys = connection.execute(known, rows).scalars().all()
    pictures = ((each.product_pk, key) for key, each in zip(keys, new, strict=True))
    attributes.add_pictures(connection, catalog_pk, pictures)
    made = [
        {"image_pk": key, "fingerprint": fingerprint, "segment": each.segment, "row": each.row}
        for key, each in zip(keys, new, strict=True)
    ]
    connection.execute(sa.insert(embeddings), made)


def known(
    connection: sa.Connection, catalog_pk: int, fingerprint: str, digests: Collection[str]
) -> dict[str, Known]:
    """Return what an encoder has made of pictures with these bytes, live or removed."""
    mine = (
        images.c.catalog_pk == catalog_pk,
        embeddings.c.fingerprint == fingerprint,
        embeddings.c.segment.is_not(None),
    )
    newest = (
        sa.select(sa.func.max(images.c.pk))
        .join(embeddings, embeddings.c.image_pk == images.c.pk)
        .where(images.c.sha256.in_(digests), *mine)
        .group_by(images.c.sha256)
    )
    query = (
        sa.select(images.c.sha256, images.c.thumbnail, embeddings.c.segment, embeddings.c.row)
        .join(embeddings, embeddings.c.image_pk == images.c.pk)
        .where(images.c.pk.in_(newest), embeddings.c.fingerprint == fingerprint)
    )
    return {row.sha256: Known(*row[1:]) for row in connection.execute(query)}


class Again(NamedTuple):
    """A picture that a product may have already, and its place among those it is to have."""

    product_pk: int
    sha256: str | None
    position: int


def replace_of(
    connection: sa.Connection,
    catalog_pk: int,
    product_pks: Collection[int],
    revision: int,
    again: Collection[Again],
) -> set[Again]:
    """Remove the live pictures of these products at a revision, but not those that come again.

    Returns which of those stay, at their new places. What stays is nothing new to an index.
    """
    query = sa.select(images.c.pk, images.c.product_pk, images.c.sha256, images.c.position).where(
        images.c.product_pk.in_(product_pks), images.c.removed.is_(None)
    )
    rows = connection.execute(query).all()
    left: dict[tuple[int, str | None], list[int]] = defaultdict(list)
    for row in rows:
        left[row.product_pk, row.sha256].append(row.pk)
    stay: dict[int, Again] = {}
    for each in again:
        if same := left[each.product_pk, each.sha256]:
            stay[same.pop()] = each
    gone = [row for row in rows if row.pk not in stay]
    _remove(connection, [row.pk for row in gone], revision)
    for row in rows:
        if row.pk in stay and row.position != stay[row.pk].position:
            moved = sa.update(images).where(images.c.pk == row.pk)
            connection.execute(moved.values(position=stay[row.pk].position))
    changed = {row.product_pk for row in gone}
    attributes.drop_pictures(connection, catalog_pk, changed)
    staying = [(each.product_pk, pk) for pk, each in stay.items() if each.product_pk in changed]
    attributes.add_pictures(connection, catalog_pk, staying)
    return set(stay.values())


def _remove(connection: sa.Connection, pks: Sequence[int], revision: int) -> None:
    for start in range(0, len(pks), _NAMED):
        some = images.c.pk.in_(pks[start : start + _NAMED])
        connection.execute(sa.update(images).where(some).values(removed=revision))


def forget_removed(connection: sa.Connection, catalog: Catalog, revision: int, limit: int) -> int:
    """Delete up to ``limit`` pictures that were removed at ``revision`` or before.

    Returns how many were deleted.
    """
    gone = (images.c.catalog_pk == catalog.pk, images.c.removed <= revision)
    return _forget(connection, limit, *gone)


def forget_of(connection: sa.Connection, catalog_pks: Sequence[int], limit: int) -> int:
    """Delete up to ``limit`` pictures of these catalogs; returns how many were."""
    return _forget(connection, limit, images.c.catalog_pk.in_(catalog_pks))


def _forget(connection: sa.Connection, limit: int, *gone: sa.ColumnElement[bool]) -> int:
    some = sa.select(images.c.pk).where(*gone).limit(limit)
    return connection.execute(sa.delete(images).where(images.c.pk.in_(some))).rowcount


def named(connection: sa.Connection, folder: str, digests: Sequence[str]) -> set[str]:
    """Return which of these ``pictures`` or ``thumbnails`` some product has, even a removed one."""
    column = {"pictures": images.c.sha256, "thumbnails": images.c.thumbnail}[folder]
    query = sa.select(column).where(column.in_(digests)).distinct()
    return set(connection.execute(query).scalars())


def digests_of(connection: sa.Connection, product_pks: Sequence[int]) -> dict[int, list[str]]:
    """Return the digests of the live pictures of these products, in their order."""
    query = (
        sa.select(images.c.product_pk, images.c.sha256)
        .where(images.c.product_pk.in_(product_pks), images.c.removed.is_(None))
        .order_by(images.c.position, images.c.pk)
    )
    found: dict[int, list[str]] = {}
    for product_pk, digest in connection.execute(query):
        found.setdefault(product_pk, []).append(digest)
    return found


def live_of(connection: sa.Connection, product_pks: Sequence[int]) -> list[int]:
    """Return the keys of the live pictures of these products."""
    out: list[int] = []
    for start in range(0, len(product_pks), _NAMED):
        named = images.c.product_pk.in_(product_pks[start : start + _NAMED])
        query = sa.select(images.c.pk).where(named, images.c.removed.is_(None))
        out.extend(connection.execute(query).scalars())
    return out


def pictured(connection: sa.Connection, keys: Sequence[int]) -> list[Pictured]:
    """Return the pictures with these keys, live or removed, in order of their keys."""
    out: list[Pictured] = []
    ordered = sorted(keys)
    for start in range(0, len(ordered), _NAMED):
        query = (
            sa.select(images.c.pk, images.c.sha256, images.c.product_pk, products.c.attributes)
            .join(products, products.c.pk == images.c.product_pk)
            .where(images.c.pk.in_(ordered[start : start + _NAMED]))
            .order_by(images.c.pk)
        )
        out.extend(Pictured(*row) for row in connection.execute(query))
    return out
