"""Catalogs filled through the store: made up embeddings, no pictures, thousands in a second."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from visearch.ids import new_id
from visearch.index import exact_search
from visearch.store import attributes, catalogs, duplicates, schema, segments
from visearch.store.blobs import Blobs
from visearch.store.database import Database

Vector = npt.NDArray[np.float32]


def points(n: int, dimension: int, seed: int) -> npt.NDArray[np.float32]:
    """Return random unit vectors, float32 [n, dimension]."""
    rows = np.random.default_rng(seed).standard_normal((n, dimension), np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def add(database: Database, blobs: Blobs, name: str, products: Mapping[str, Vector]) -> None:
    """Add products of one picture each to a catalog, as its next revision."""
    segment = segments.put(blobs, np.array(list(products.values())))
    with database.write() as connection:
        catalog = catalogs.get(connection, name)
        revision = catalogs.next_revision(connection, catalog.pk)
        of = {"catalog_pk": catalog.pk}
        plain = {"attributes": {}, "field_versions": {}, "deleted": False, "updated_at": 0.0}
        version = {"meta_version": 0, "images_version": 0}
        rows = [{"external_id": each, **of, **plain, **version} for each in products]
        owners = _insert(connection, schema.products, rows)
        blank = {"position": 0, "sha256": "", "thumbnail": "", "added": revision}
        rows = [{"id": new_id(), "product_pk": key, **of, **blank} for key in owners]
        keys = _insert(connection, schema.images, rows)
        attributes.add_pictures(connection, catalog.pk, zip(owners, keys, strict=True))
        where = {"fingerprint": catalog.fingerprint, "segment": segment}
        rows = [{"image_pk": key, "row": i, **where} for i, key in enumerate(keys)]
        connection.execute(sa.insert(schema.embeddings), rows)
        duplicates.note(connection, catalog, (), revision)  # random points have no twins


def _insert(connection: sa.Connection, table: sa.Table, rows: list[dict[str, object]]) -> list[int]:
    query = sa.insert(table).returning(table.c.pk, sort_by_parameter_order=True)
    return [int(pk) for pk in connection.execute(query, rows).scalars()]


def nearest(products: Mapping[str, Vector], query: Vector, k: int) -> list[str]:
    """Return the k products nearest to ``query``, by looking at every one."""
    rows, _ = exact_search(query[None], np.array(list(products.values())), k, "cosine")
    names = list(products)
    return [names[row] for row in rows[0]]
