"""The index's view of the database: what changed above a revision, what is live at one.

Only vectors of the catalog's own encoder, ``catalog.fingerprint``, are returned: those of one
shard, or of all shards where none is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from visearch.errors import NotFound
from visearch.records import Catalog
from visearch.store.attributes import PICTURES, passing
from visearch.store.schema import embeddings, images, products

Keys = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Stored:
    """Where embeddings are stored: image keys int64 [n], segment names [n], rows int64 [n]."""

    keys: Keys
    segments: Sequence[str]
    rows: npt.NDArray[np.int64]

    def at(self, places: npt.NDArray[np.intp]) -> Stored:
        """Return the embeddings at these places, int [p]."""
        segments = [self.segments[i] for i in places.tolist()]
        return Stored(self.keys[places], segments, self.rows[places])


def added_since(
    connection: sa.Connection, catalog: Catalog, revision: int, shard: int | None = None
) -> Stored:
    """Return the live pictures added above ``revision``, oldest first.

    None above ``catalog.revision`` is returned: what was committed after the catalog was read
    comes with the next call, so that an index holds exactly the revision it names.
    """
    return _stored(
        connection,
        catalog,
        images.c.added > revision,
        images.c.added <= catalog.revision,
        images.c.removed.is_(None),
        *_of_shard(catalog, shard),
    )


def removed_since(connection: sa.Connection, catalog: Catalog, revision: int, shard: int) -> Keys:
    """Return the keys of pictures known at ``revision`` and removed above it."""
    query = sa.select(images.c.pk).where(
        images.c.catalog_pk == catalog.pk,
        images.c.removed > revision,
        images.c.added <= revision,
        *_of_shard(catalog, shard),
    )
    return np.asarray(connection.execute(query).scalars().all(), np.int64)


def live_at(
    connection: sa.Connection, catalog: Catalog, revision: int, shard: int | None = None
) -> Stored:
    """Return the pictures that were live at ``revision``, oldest first."""
    return _stored(
        connection,
        catalog,
        images.c.added <= revision,
        sa.or_(images.c.removed.is_(None), images.c.removed > revision),
        *_of_shard(catalog, shard),
    )


def changes_between(connection: sa.Connection, catalog: Catalog, revision: int) -> int:
    """Count the pictures added or removed above ``revision``."""
    mine = images.c.catalog_pk == catalog.pk
    counts = [
        connection.execute(sa.select(sa.func.count()).where(mine, column > revision)).scalar_one()
        for column in (images.c.added, images.c.removed)
    ]
    return sum(counts)


def filtered(connection: sa.Connection, catalog: Catalog, where: Mapping[str, Any]) -> Keys:
    """Return the keys of live pictures whose product passes the filter, ascending.

    Raises:
        InvalidRequest: the filter is malformed.
    """
    found = [
        columns[PICTURES].numbers_of(chosen).astype(np.int64)
        for _, chosen, columns in passing(connection, catalog.pk, where, (PICTURES,))
    ]
    return np.sort(np.concatenate((np.empty(0, np.int64), *found)))


def first_picture(connection: sa.Connection, catalog: Catalog, external_id: str) -> Stored:
    """Return where the embedding of a product's first picture is stored; raises NotFound."""
    stored = _stored(
        connection,
        catalog,
        images.c.removed.is_(None),
        images.c.product_pk.in_(
            sa.select(products.c.pk).where(
                products.c.catalog_pk == catalog.pk, products.c.external_id == external_id
            )
        ),
        order=(images.c.position, images.c.pk),
    )
    if not len(stored.keys):
        raise NotFound(f"Catalog {catalog.name!r} has no searchable product {external_id!r}.")
    return Stored(stored.keys[:1], stored.segments[:1], stored.rows[:1])


def _of_shard(catalog: Catalog, shard: int | None) -> list[sa.ColumnElement[bool]]:
    if shard is None or catalog.shards == 1:
        return []
    return [images.c.pk % catalog.shards == shard]


def _stored(
    connection: sa.Connection,
    catalog: Catalog,
    *conditions: sa.ColumnElement[bool],
    order: Sequence[sa.Column[int]] = (images.c.pk,),
) -> Stored:
    """Return where the pictures' vectors are stored; pictures without one are left out."""
    rows = connection.execute(
        sa.select(images.c.pk, embeddings.c.segment, embeddings.c.row)
        .join(embeddings, embeddings.c.image_pk == images.c.pk)
        .where(
            images.c.catalog_pk == catalog.pk,
            embeddings.c.fingerprint == catalog.fingerprint,
            embeddings.c.segment.is_not(None),
            *conditions,
        )
        .order_by(*order)
    ).all()
    return Stored(
        np.asarray([row.pk for row in rows], np.int64),
        [row.segment for row in rows],
        np.asarray([row.row for row in rows], np.int64),
    )
