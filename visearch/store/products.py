"""Products and their pictures: read, described, deleted."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import reduce
from typing import Any

import numpy as np
import sqlalchemy as sa

from visearch.contract import thumbnail_path
from visearch.errors import InvalidRequest, NotFound
from visearch.records import ACTIVE, Catalog, Image, Neighbour, Product
from visearch.rules import attributes_problem
from visearch.searches import Hit
from visearch.store import attributes, descriptions, looking, versions
from visearch.store import catalogs as catalog_rows
from visearch.store.paging import first_by_id
from visearch.store.schema import images, import_items, imports, products

MAX_NAMED = 10_000
"""Values in one statement; SQLite takes 32,766."""

_FEW = 1000
"""Values in a statement that is run for many."""

_LIVE_IMAGE = images.c.removed.is_(None)
_LIVE = products.c.deleted.is_(sa.false())


def get(connection: sa.Connection, catalog: Catalog, external_id: str) -> Product:
    """Return one product; raises NotFound."""
    mine = products.c.catalog_pk == catalog.pk
    found = _read(connection, mine, products.c.external_id == external_id)
    if not found:
        raise _unknown(catalog, external_id)
    return found[0]


def _unknown(catalog: Catalog, external_id: str) -> NotFound:
    return NotFound(f"Catalog {catalog.name!r} has no product {external_id!r}.")


def page(
    connection: sa.Connection,
    catalog: Catalog,
    after: str,
    limit: int,
    where: Mapping[str, Any] | None = None,
    wanted: str = "",
) -> list[Product]:
    """Return up to ``limit`` products by id, starting after ``after``.

    Only those that pass the filter ``where``, and whose id or title has all words ``wanted``.

    Raises:
        InvalidRequest: the filter is malformed.
    """
    picked = []
    if where:
        picked.append(attributes.passing_keys(connection, catalog.pk, where))
    if wanted:
        picked.append(looking.keys(connection, catalog.pk, wanted))
    if picked:
        keys = reduce(np.intersect1d, picked)
        first = first_by_id(connection, catalog.pk, keys, after, limit)
        return _read(connection, products.c.pk.in_(first))
    some = (
        sa.select(products.c.pk)
        .where(products.c.catalog_pk == catalog.pk, _LIVE, products.c.external_id > after)
        .order_by(products.c.external_id)
        .limit(limit)
    )
    return _read(connection, products.c.pk.in_(some))


def _read(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[Product]:
    # Those of a page are named by key alone: with the catalog too, SQLite would walk through it.
    rows = connection.execute(
        sa.select(products).where(_LIVE, *conditions).order_by(products.c.external_id)
    ).all()
    pictures = _pictures(connection, [row.pk for row in rows])
    return [
        Product(
            id=row.external_id,
            title=row.title,
            url=row.url,
            description=row.description,
            attributes=row.attributes,
            images=tuple(pictures.get(row.pk, ())),
            updated_at=datetime.fromtimestamp(row.updated_at, UTC),
        )
        for row in rows
    ]


def _pictures(connection: sa.Connection, pks: Sequence[int]) -> dict[int, list[Image]]:
    out: dict[int, list[Image]] = {}
    query = sa.select(images).where(images.c.product_pk.in_(pks), _LIVE_IMAGE)
    for row in connection.execute(query.order_by(images.c.position, images.c.pk)):
        image = Image(id=row.id, sha256=row.sha256, thumbnail=row.thumbnail)
        out.setdefault(row.product_pk, []).append(image)
    return out


def describe(
    connection: sa.Connection,
    catalog: Catalog,
    external_id: str,
    changes: Mapping[str, Any],
) -> Product:
    """Change fields in place; those of ``attributes`` are merged (``versions.merged``).

    Each changed field, and each attribute, is numbered by itself: a write that was accepted earlier
    and is not finished yet still brings the others.

    Raises:
        NotFound: there is no such product.
        InvalidRequest: it would have more attributes than a product can have.
    """
    catalog_rows.next_revision(connection, catalog.pk)
    version = catalog_rows.next_accepted(connection, catalog.pk)
    old = descriptions.known(connection, catalog.pk, [external_id]).get(external_id)
    if old is None or old.deleted:
        raise _unknown(catalog, external_id)
    fields = dict(changes)
    if "attributes" in changes:
        fields["attributes"] = versions.merged(old.attributes, changes["attributes"])
        if problem := attributes_problem(fields["attributes"]):
            detail = f"With these changes, {problem}."
            raise InvalidRequest(detail, (("/attributes", detail),))
        attributes.write(connection, catalog.pk, [(old.pk, old.attributes, fields["attributes"])])
    if "title" in changes:
        texts = {old.pk: looking.text_of(external_id, changes["title"])}
        looking.write(connection, catalog.pk, texts)
    connection.execute(
        sa.update(products)
        .where(products.c.pk == old.pk)
        .values(
            **fields,
            field_versions=versions.noted(old.field_versions, changes, version),
            meta_version=version,
            updated_at=time.time(),
        )
    )
    return get(connection, catalog, external_id)


def delete(connection: sa.Connection, catalog: Catalog, external_id: str) -> None:
    """Delete a product and its pictures.

    The row stays as a tombstone: an import that was accepted earlier and is not finished must
    not bring the product back, whether or not it has written the product yet.

    Raises:
        NotFound: there is no such product, and no import is about to write it.
    """
    catalog_rows.lock(connection, catalog.pk)
    try:
        get(connection, catalog, external_id)
    except NotFound:
        if not _on_its_way(connection, catalog, external_id):
            raise
        _add_tombstone(connection, catalog, external_id)
    version = catalog_rows.next_accepted(connection, catalog.pk)
    remove(connection, catalog.pk, [external_id], version)


def _on_its_way(connection: sa.Connection, catalog: Catalog, external_id: str) -> bool:
    """Tell whether an active import may still write the product."""
    named = sa.exists().where(
        import_items.c.import_pk == imports.c.pk,
        import_items.c.product_id == external_id,
        import_items.c.status == "pending",
    )
    query = sa.select(imports.c.pk).where(
        imports.c.catalog_pk == catalog.pk,
        imports.c.status.in_(ACTIVE),
        sa.or_(imports.c.planned.is_(sa.false()), named),
    )
    return connection.execute(query.limit(1)).first() is not None


def _add_tombstone(connection: sa.Connection, catalog: Catalog, external_id: str) -> None:
    mine = sa.and_(products.c.catalog_pk == catalog.pk, products.c.external_id == external_id)
    if connection.execute(sa.select(products.c.pk).where(mine)).first() is None:
        connection.execute(
            sa.insert(products).values(
                catalog_pk=catalog.pk,
                external_id=external_id,
                attributes={},
                meta_version=0,
                field_versions={},
                images_version=0,
                deleted=True,
                updated_at=time.time(),
            )
        )


def remove(
    connection: sa.Connection, catalog_pk: int, external_ids: Iterable[str], version: int
) -> None:
    """Tombstone the named products and their pictures in one revision.

    ``version`` is the acceptance number of the write that removes them: a write with a
    later one brings them back, whenever it finishes.
    """
    revision = catalog_rows.next_revision(connection, catalog_pk)
    ids = list(external_ids)
    gone: list[int] = []
    for start in range(0, len(ids), 500):
        named = sa.and_(
            products.c.catalog_pk == catalog_pk,
            products.c.external_id.in_(ids[start : start + 500]),
        )
        pks = sa.select(products.c.pk).where(named)
        gone.extend(connection.execute(pks).scalars())
        connection.execute(
            sa.update(images)
            .where(images.c.product_pk.in_(pks), _LIVE_IMAGE)
            .values(removed=revision)
        )
        connection.execute(
            sa.update(products)
            .where(named)
            .values(
                deleted=True,
                meta_version=version,
                images_version=version,
                updated_at=time.time(),
            )
        )
    # At the end, when all that a block loses is known.
    attributes.drop(connection, catalog_pk, gone)


# Built once: building a statement takes as long as running it.
_SHOWN = (
    sa.select(
        images.c.pk,
        images.c.id,
        images.c.thumbnail,
        products.c.external_id,
        products.c.title,
        products.c.url,
        products.c.attributes,
    )
    .join(products, products.c.pk == images.c.product_pk)
    .where(images.c.catalog_pk == sa.bindparam("catalog"), _LIVE_IMAGE, _LIVE)
    .where(images.c.pk.in_(sa.bindparam("named", expanding=True)))
)


# As for ``_SHOWN``; a product's pictures are removed with it.
_OWNERS = sa.select(images.c.pk, images.c.product_pk).where(
    images.c.catalog_pk == sa.bindparam("catalog"),
    _LIVE_IMAGE,
    images.c.pk.in_(sa.bindparam("named", expanding=True)),
)


def owners(
    connection: sa.Connection, catalog: Catalog, neighbours: Sequence[Neighbour]
) -> dict[int, int]:
    """Return the product's key of each picture that is still live, by the picture's key."""
    found: dict[int, int] = {}
    for start in range(0, len(neighbours), MAX_NAMED):
        named = [neighbour.image for neighbour in neighbours[start : start + MAX_NAMED]]
        rows = connection.execute(_OWNERS, {"catalog": catalog.pk, "named": named})
        found |= {image: product for image, product in rows}
    return found


def hydrate(
    connection: sa.Connection, catalog: Catalog, neighbours: Sequence[Neighbour]
) -> list[Hit]:
    """Turn neighbours into hits, best first; drops pictures that are gone by now.

    Ranks are left at 0: the caller numbers what it keeps.
    """
    found: dict[int, sa.Row[Any]] = {}
    for start in range(0, len(neighbours), MAX_NAMED):
        named = [neighbour.image for neighbour in neighbours[start : start + MAX_NAMED]]
        rows = connection.execute(_SHOWN, {"catalog": catalog.pk, "named": named})
        found |= {row.pk: row for row in rows}
    return [
        _hit(found[neighbour.image], neighbour.score)
        for neighbour in neighbours
        if neighbour.image in found
    ]


def _hit(row: Any, score: float) -> Hit:
    return Hit(
        rank=0,
        product_id=row.external_id,
        image_id=row.id,
        score=score,
        title=row.title,
        image_url=thumbnail_path(row.thumbnail),
        url=row.url,
        attributes=row.attributes,
    )


def forget_of(connection: sa.Connection, catalog_pks: Sequence[int], limit: int) -> int:
    """Delete up to ``limit`` products of these catalogs; returns how many were."""
    some = sa.select(products.c.pk).where(products.c.catalog_pk.in_(catalog_pks)).limit(limit)
    return connection.execute(sa.delete(products).where(products.c.pk.in_(some))).rowcount


def count(connection: sa.Connection, catalog_pk: int) -> tuple[int, int]:
    """Count the live (products, pictures) of a catalog."""
    n_products = connection.execute(
        sa.select(sa.func.count())
        .select_from(products)
        .where(products.c.catalog_pk == catalog_pk, _LIVE)
    ).scalar_one()
    n_images = connection.execute(
        sa.select(sa.func.count())
        .select_from(images)
        .where(images.c.catalog_pk == catalog_pk, _LIVE_IMAGE)
    ).scalar_one()
    return n_products, n_images


def live_among(connection: sa.Connection, catalog_pk: int, ids: Collection[str]) -> set[str]:
    """Return which of these ids are those of live products."""
    found: set[str] = set()
    named = sorted(ids)
    query = sa.select(products.c.external_id).where(products.c.catalog_pk == catalog_pk, _LIVE)
    for start in range(0, len(named), _FEW):
        some = products.c.external_id.in_(named[start : start + _FEW])
        found.update(connection.execute(query.where(some)).scalars())
    return found


def live_ids(connection: sa.Connection, catalog_pk: int) -> Iterator[str]:
    """Yield the id of each live product, a few thousand at a time."""
    query = sa.select(products.c.external_id).where(products.c.catalog_pk == catalog_pk, _LIVE)
    yield from connection.execute(query.execution_options(yield_per=5_000)).scalars()


def has_thumbnail(connection: sa.Connection, digest: str) -> bool:
    """Tell whether a live picture shows this thumbnail."""
    query = sa.select(images.c.pk).where(images.c.thumbnail == digest, _LIVE_IMAGE).limit(1)
    return connection.execute(query).first() is not None
