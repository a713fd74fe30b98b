"""The catalog for ``filters.py``: products of drawn attributes, written in bulk."""

from __future__ import annotations

import time
from itertools import compress
from typing import Any

import numpy as np
import sqlalchemy as sa

from visearch.ids import new_id
from visearch.records import Attributes
from visearch.store import attributes, catalogs, imports, schema
from visearch.store.database import Connection, Database
from visearch.store.migrate import migrate

CATALOG = "bench"
FOLDERS = 50
COLOURS = [f"colour {i}" for i in range(12)]
SIZES = ["XS", "S", "M", "L", "XL", "XXL"]
FAILED_EVERY = 10_000
_BATCH = 20_480


def product_id(i: int) -> str:
    """Return the id of product ``i``: in order, as of files in folders."""
    return f"f{i // 20_000:02}/p{i:07}"


def fill(database: Database, size: int) -> dict[str, Any] | None:
    """Make the catalog, and the ledger of its import; None if it is there already."""
    migrate(database)
    with database.write() as connection:
        if catalogs.everything(connection):
            return None
        names = {"title": "", "encoder": "bundled", "fingerprint": "f"}
        catalog = catalogs.create(connection, CATALOG, metric="cosine", dimension=8, **names)
    start, columns_s, rng = time.perf_counter(), 0.0, np.random.default_rng(2)
    for first in range(0, size, _BATCH):
        rows = range(first, min(first + _BATCH, size))
        with database.write() as connection:
            columns_s += _add(connection, catalog.pk, rows, drawn(rng, rows))
    with database.write() as connection:
        _add_ledger(connection, size)
    return {
        "seconds": round(time.perf_counter() - start, 1),
        "columns_us_per_product": round(1e6 * columns_s / size, 1),
    }


def drawn(rng: np.random.Generator, rows: range) -> list[Attributes]:
    """Return six attributes of each product: few values and many, a list, numbers, a boolean.

    Some colours and brands are more frequent than others.
    """
    n = len(rows)
    colours = (12 * rng.random(n) ** 1.5).astype(int).tolist()
    brands = (1000 * rng.random(n) ** 1.5).astype(int).tolist()
    prices = np.round(100 * rng.random(n), 2).tolist()
    sizes = rng.random((n, len(SIZES))) < 1 / 3
    sale = (rng.random(n) < 0.1).tolist()
    return [
        {
            "folder": product_id(i).partition("/")[0],
            "colour": COLOURS[colours[at]],
            "brand": f"brand {brands[at]}",
            "price": prices[at],
            "sizes": list(compress(SIZES, sizes[at])),
            "sale": sale[at],
        }
        for at, i in enumerate(rows)
    ]


def _add(
    connection: Connection, catalog_pk: int, rows: range, described: list[Attributes]
) -> float:
    """Add products of one picture each; returns the seconds that their columns took."""
    revision = catalogs.next_revision(connection, catalog_pk)
    mine = {"catalog_pk": catalog_pk}
    plain = {"field_versions": {}, "deleted": False, "updated_at": 0.0, "title": "A product"}
    version = {"meta_version": 0, "images_version": 0}
    new = [
        {"external_id": product_id(i), "attributes": each, **mine, **plain, **version}
        for i, each in zip(rows, described, strict=True)
    ]
    keys = _insert(connection, schema.products, new)
    blank = {"position": 0, "sha256": "", "thumbnail": "", "added": revision}
    new = [{"id": new_id(), "product_pk": key, **mine, **blank} for key in keys]
    pictures = _insert(connection, schema.images, new)
    start = time.perf_counter()
    written = ((key, {}, each) for key, each in zip(keys, described, strict=True))
    attributes.write(connection, catalog_pk, written)
    attributes.add_pictures(connection, catalog_pk, zip(keys, pictures, strict=True))
    return time.perf_counter() - start


def _insert(connection: Connection, table: sa.Table, rows: list[dict[str, Any]]) -> list[int]:
    query = sa.insert(table).returning(table.c.pk, sort_by_parameter_order=True)
    return [int(pk) for pk in connection.execute(query, rows).scalars()]


def _add_ledger(connection: Connection, size: int) -> None:
    """Add an ended import of all products, of which few failed."""
    catalog = catalogs.get(connection, CATALOG)
    record = imports.create(
        connection, catalog, mode="upsert", media="zip", source="", request_id="bench"
    )
    failed = {"status": "failed", "code": "image_corrupt", "detail": "The picture is damaged."}
    done = {"status": "searchable", "code": None, "detail": None}
    common = {"import_pk": record.pk, "position": 0, "locator": {}, "stage": "index", "attempts": 1}
    for first in range(0, size, _BATCH):
        rows = [
            {
                "item": i,
                "chunk": i // 64,
                "path": f"{product_id(i)}.jpg",
                "product_id": product_id(i),
            }
            | common
            | (done if i % FAILED_EVERY else failed)
            for i in range(first, min(first + _BATCH, size))
        ]
        connection.execute(sa.insert(schema.import_items), rows)
    imports.start(connection, record.pk, size)
    imports.end(connection, record.pk, "partial")
