"""Looking for products by a part of their id or title, on both databases."""

from __future__ import annotations

import runpy

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from visearch.ids import new_id
from visearch.records import Catalog
from visearch.store import catalogs, descriptions, looking, products
from visearch.store.database import Connection, Database
from visearch.store.migrate import MIGRATIONS

MIGRATION = MIGRATIONS / "versions" / "0016_descriptions_and_looking.py"

TITLES = {
    "lamp-1": "Große Lampe",
    "lamp-2": "Kleine Lampe",
    "MUG/7": "Café au lait — mug",
    "日本/靴": "革靴 25cm",
    "bare": None,
}


def a_shop(connection: Connection, titles: dict[str, str | None]) -> Catalog:
    names = {"encoder": "bundled", "fingerprint": "f", "dimension": 8}
    name = f"looked-{new_id()}"
    shop = catalogs.create(connection, name, title="", metric="cosine", **names)
    for product_id, title in titles.items():
        text = {"title": title, "url": None, "description": None, "attributes": {}}
        pk = descriptions.insert(connection, shop.pk, product_id, text, 1)
        looking.write(connection, shop.pk, {pk: looking.text_of(product_id, title)})
    return shop


def found(connection: Connection, shop: Catalog, wanted: str, after: str = "") -> list[str]:
    page = products.page(connection, shop, after, 10, None, wanted)
    return [product.id for product in page]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("lampe", ["lamp-1", "lamp-2"]),
        ("GROSSE lampe", ["lamp-1"]),
        ("amp", ["lamp-1", "lamp-2"]),
        ("cafe mug", ["MUG/7"]),
        ("mug/7", ["MUG/7"]),
        ("靴", ["日本/靴"]),
        ("革靴 25", ["日本/靴"]),
        ("are", ["bare"]),
        ("lamp mug", []),
        ("%", []),
    ],
)
def test_all_words_are_in_the_id_or_the_title(
    either_database: Database, wanted: str, expected: list[str]
) -> None:
    with either_database.write() as connection:
        shop = a_shop(connection, TITLES)
        assert found(connection, shop, wanted) == expected


def test_what_is_changed_or_deleted_is_found_as_it_is_now(either_database: Database) -> None:
    with either_database.write() as connection:
        shop = a_shop(connection, {"a": "old name", "b": "old name", "c": "old name"})
        products.describe(connection, shop, "b", {"title": "new name"})
        products.describe(connection, shop, "c", {"url": "/c"})
        products.delete(connection, shop, "a")
        assert found(connection, shop, "old") == ["c"]
        assert found(connection, shop, "new") == ["b"]
        assert found(connection, shop, "name", after="b") == ["c"]


def test_it_goes_with_a_filter(either_database: Database) -> None:
    with either_database.write() as connection:
        shop = a_shop(connection, {"a": "lamp", "b": "lamp", "c": "mug"})
        for product_id in ("b", "c"):
            products.describe(connection, shop, product_id, {"attributes": {"colour": "red"}})
        page = products.page(connection, shop, "", 10, {"colour": "red"}, "lamp")
        assert [product.id for product in page] == ["b"]


def test_the_migration_lays_out_what_products_there_are(either_database: Database) -> None:
    with either_database.write() as connection:
        shop = a_shop(connection, TITLES)
        products.delete(connection, shop, "lamp-2")
        connection.execute(sa.text("DELETE FROM attribute_columns"))
        for table in ("products", "import_rows"):
            connection.execute(sa.text(f"ALTER TABLE {table} DROP COLUMN description"))
        assert looking.keys(connection, shop.pk, "lamp").tolist() == []
        # The schema may be newer by now: this one migration runs, by itself.
        with Operations.context(MigrationContext.configure(connection)):
            runpy.run_path(str(MIGRATION))["upgrade"]()
        assert found(connection, shop, "lamp") == ["lamp-1"]
        assert found(connection, shop, "cafe") == ["MUG/7"]
