"""Filters, facets and filtered pages against a plain loop over the products, on both databases."""

from __future__ import annotations

import runpy
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from visearch.ids import new_id
from visearch.importing.describe import describe, replace_older
from visearch.records import Catalog
from visearch.rules import number_of
from visearch.store import (
    attributes,
    catalogs,
    changes,
    facets,
    images,
    imports,
    looking,
    products,
)
from visearch.store.columns import BLOCK, FIRST_INEXACT, Column
from visearch.store.database import Connection, Database
from visearch.store.images import NewImage
from visearch.store.ledger import PendingItem
from visearch.store.migrate import MIGRATIONS
from visearch.store.schema import attribute_columns
from visearch.store.schema import images as pictures
from visearch.store.schema import products as rows

MIGRATION = MIGRATIONS / "versions" / "0012_attribute_columns.py"
PROPERTY = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FIELDS = ["colour", "größe", "a.b", "$", "rare \\ name", "it's", "x" * 300, ""]
HUGE = [2**53, 2**53 + 1, 2**62 + 1, 2**63, 2**63 + 1, 10**30, 1e300, 5e-324, -0.0, 0.1 + 0.2]
TEXTS = ["red", "Red", "S", "M", "7", "7.0", "007", "0.5", "true", "", "ü", "\U0001f600", "'"]

value = st.sampled_from([*TEXTS, *HUGE, 0, 1, 7, 7.0, 0.5, True, False])
has = st.dictionaries(
    st.sampled_from(FIELDS), value | st.lists(st.sampled_from(TEXTS), max_size=4), max_size=4
)
number = st.sampled_from([0, 1, 7, 0.5, *HUGE])
bounds = st.fixed_dictionaries({}, optional={"gte": number, "lte": number}).filter(bool)
filters = st.dictionaries(
    st.sampled_from([*FIELDS, "missing"]), value | st.lists(value, max_size=4) | bounds,
    min_size=1, max_size=2,
)  # fmt: skip
IDS = st.integers(0, 7)
writes = st.lists(
    st.tuples(st.just("import"), st.lists(st.tuples(IDS, has), min_size=1, max_size=6))
    | st.tuples(st.just("patch"), IDS, has)
    | st.tuples(st.just("delete"), st.lists(IDS, max_size=3)),
    min_size=1,
    max_size=6,
)


@dataclass
class Shop:
    """A catalog written as workers and the web write, and what a loop over its rows finds."""

    database: Database
    catalog: Catalog
    described: dict[str, dict[str, Any]] = field(default_factory=dict)

    def import_(self, items: list[tuple[int, dict[str, Any]]]) -> None:
        """Import items of a picture each, as embedding a chunk does."""
        with self.database.write() as connection:
            common = {"mode": "upsert", "media": "zip", "source": "", "request_id": "test"}
            record = imports.create(connection, self.catalog, **common)
            revision = catalogs.next_revision(connection, self.catalog.pk)
            pending = [
                PendingItem(at, f"p{i}", at, None, None, None, text, {}, "", "", "embed")
                for at, (i, text) in enumerate(items)
            ]
            known = describe(connection, record, pending)
            existing = [known[item.product_id] for item in pending]
            replace_older(connection, record, existing, revision, ())
            new = [NewImage(each.pk, at, "", "", "s", 0) for at, each in enumerate(existing)]
            images.insert(connection, self.catalog.pk, revision, new, fingerprint="f")
        self.described |= {f"p{i}": {} for i, _ in items}
        for i, text in reversed(items):  # the first that says it decides
            self.described[f"p{i}"] |= text

    def patch(self, i: int, text: dict[str, Any]) -> None:
        """Describe a product, if there is one."""
        if f"p{i}" in self.described:
            with self.database.write() as connection:
                products.describe(connection, self.catalog, f"p{i}", {"attributes": text})
            self.described[f"p{i}"] |= text

    def delete(self, some: list[int]) -> None:
        """Delete products as a replacing import does, some of which may be gone."""
        with self.database.write() as connection:
            version = catalogs.next_accepted(connection, self.catalog.pk)
            names = [f"p{i}" for i in some]
            products.remove(connection, self.catalog.pk, names, version)
        for i in some:
            self.described.pop(f"p{i}", None)

    def expected(self, where: dict[str, Any]) -> list[str]:
        """Return the ids of the products that pass."""
        return sorted(name for name, has in self.described.items() if passes(has, where))

    def check(self, where: dict[str, Any]) -> None:
        """Compare the pictures, the pages and the facets of a filter."""
        expected = self.expected(where)
        with self.database.read() as connection:
            live = self.live_pictures(connection)
            keys = changes.filtered(connection, self.catalog, where).tolist()
            assert keys == sorted(key for key, name in live.items() if name in expected)
            found, after = [], ""
            while page := products.page(connection, self.catalog, after, 3, where):
                found += [product.id for product in page]
                after = page[-1].id
            assert found == expected
            self.check_facets(connection, where)
            self.check_facets(connection, {})

    def live_pictures(self, connection: Connection) -> dict[int, str]:
        """Return the product's id of each picture that is not removed."""
        query = (
            sa.select(pictures.c.pk, rows.c.external_id)
            .join(rows, rows.c.pk == pictures.c.product_pk)
            .where(rows.c.catalog_pk == self.catalog.pk, pictures.c.removed.is_(None))
        )
        return {pk: name for pk, name in connection.execute(query)}

    def check_facets(self, connection: Connection, where: dict[str, Any]) -> None:
        """Compare the facets of the products that pass."""
        counted = facets.count_values(connection, self.catalog, [*FIELDS, "missing"], where)
        for name, values in counted.items():
            counts: Counter[tuple[bool, Any]] = Counter()
            for product in self.expected(where):
                members = listed(self.described[product].get(name, []))
                counts.update({(isinstance(each, bool), plain(each)) for each in members})
            told = [(each.count, isinstance(each.value, bool), each.value) for each in values]
            expected = [(n, is_bool, one) for (is_bool, one), n in counts.items()]
            # True comes before 1.
            expected.sort(key=lambda e: (-e[0], isinstance(e[2], str), e[2], not e[1]))
            assert told == expected[: facets.MAX_VALUES]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def plain(value: Any) -> Any:
    """Return a value as SQLite sees it: whole numbers that are too large are floats."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) >= FIRST_INEXACT else value


def same(have: Any, wanted: Any) -> bool:
    if isinstance(have, bool) or isinstance(wanted, bool):
        return have is wanted
    if isinstance(wanted, str) and not isinstance(have, str):
        return number_of(wanted) == have
    return bool(plain(have) == plain(wanted))


def passes(attributes: dict[str, Any], where: dict[str, Any]) -> bool:
    for name, wanted in where.items():
        members = listed(attributes.get(name, []))
        if isinstance(wanted, dict):
            low = plain(wanted.get("gte", float("-inf")))
            high = plain(wanted.get("lte", float("inf")))
            numbers = [plain(each) for each in members if not isinstance(each, str | bool)]
            if not any(low <= each <= high for each in numbers):
                return False
        elif not any(same(have, one) for have in members for one in listed(wanted)):
            return False
    return True


@pytest.fixture
def shop(either_database: Database) -> Shop:
    return open_shop(either_database)


def open_shop(database: Database) -> Shop:
    with database.write() as connection:
        names = {"encoder": "bundled", "fingerprint": "f", "dimension": 8}
        name = f"shop-{new_id()}"
        made = catalogs.create(connection, name, title="", metric="cosine", **names)
    return Shop(database, made)


@PROPERTY
@given(wanted=st.lists(filters, min_size=1, max_size=4), written=writes)
def test_every_answer_is_that_of_a_loop_over_the_products(
    either_database: Database, written: list[tuple[Any, ...]], wanted: list[dict[str, Any]]
) -> None:
    shop = open_shop(either_database)
    for kind, *what in written:
        {"import": shop.import_, "patch": shop.patch, "delete": shop.delete}[kind](*what)
    for where in wanted:
        shop.check(where)


@pytest.mark.parametrize(("few", "step"), [(3, 1), (3, 2), (3, 1000), (10_000, 1000)])
def test_pages_are_the_same_however_the_first_are_found(
    shop: Shop, few: int, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are "late" lie so far away that a walk by small steps gives up before them."""
    monkeypatch.setattr("visearch.store.paging.FEW", few)
    monkeypatch.setattr("visearch.store.paging.FIRST_STEP", step)
    monkeypatch.setattr("visearch.store.paging.LONGEST_STEP", step)
    products = [((7 * i) % 40, {"even": i % 2 == 0, "late": (7 * i) % 40 > 32}) for i in range(40)]
    shop.import_(products)
    for where in ({"even": True}, {"even": [True, False]}, {"even": "no"}, {"late": True}):
        shop.check(where)


def test_a_facet_has_its_most_frequent_values_and_of_equals_the_first(shop: Shop) -> None:
    shop.import_([(i, {"tag": [f"{j:03}" for j in range(i, 130)], "n": i}) for i in range(120)])
    shop.check({"n": {"gte": 0}})


def skip_to_the_end_of_a_block(shop: Shop) -> None:
    """Let the keys of the next products go on five before the end of a block."""
    with shop.database.write() as connection:
        last = connection.execute(sa.select(sa.func.max(rows.c.pk))).scalar_one() or 0
        pk = (last // BLOCK + 1) * BLOCK - 6
        if shop.database.is_sqlite:  # the next key follows the highest one
            version = {"meta_version": 0, "field_versions": {}, "images_version": 0}
            gone = {"external_id": "gone", "attributes": {}, "deleted": True, "updated_at": 0.0}
            mine = {"pk": pk, "catalog_pk": shop.catalog.pk}
            connection.execute(sa.insert(rows).values(**mine, **gone, **version))
        else:
            skip = sa.text("SELECT setval(pg_get_serial_sequence('products', 'pk'), :pk)")
            connection.execute(skip, {"pk": pk})


def test_blocks_do_not_meet(either_database: Database) -> None:
    """Products of one catalog lie in several blocks, those of several catalogs in one."""
    shop, other = open_shop(either_database), open_shop(either_database)
    skip_to_the_end_of_a_block(shop)
    for first in range(0, 12, 3):
        shop.import_([(i, {"colour": ("red", "blue")[i % 2]}) for i in range(first, first + 3)])
        other.import_([(first, {"colour": "red"})])
    with either_database.read() as connection:
        assert len({block for _, block, _ in stored(connection, shop.catalog.pk)}) == 2
    shop.delete([0, 1, 7, 11])
    for where in ({"colour": "red"}, {"colour": ["red", "blue"]}):
        shop.check(where)
        other.check(where)


def test_writers_of_one_block_keep_each_others_entries(shop: Shop) -> None:
    shop.import_([(i, {"n": 0}) for i in range(8)])

    def patch(i: int) -> None:
        for n in range(1, 6):
            shop.patch(i, {"n": n, f"only {i}": True})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(patch, range(8)))
    shop.check({"n": 5})
    shop.check({"only 3": True})


def test_more_attributes_than_fit_in_a_statement(shop: Shop) -> None:
    shop.import_([(i, {f"field {i}-{j}": j for j in range(64)}) for i in range(17)])
    shop.check({"field 7-3": 3})
    shop.delete(list(range(16)))
    with shop.database.read() as connection:
        assert len(stored(connection, shop.catalog.pk)) == 64 + 2  # with pictures and texts


def test_the_migration_fills_in_what_the_products_say(shop: Shop) -> None:
    shop.import_([(i, {"colour": "red", "sizes": ["S", "M"], "n": i}) for i in range(6)])
    shop.patch(1, {"colour": "blue", "n": 2**60 + 1})
    shop.delete([2])
    with shop.database.write() as connection:
        before = {
            key: value for key, value in stored(connection).items() if key[2] != looking.TEXTS
        }
        connection.execute(sa.text("DROP TABLE attribute_columns"))
        connection.execute(sa.text("DROP INDEX ix_import_items_failed"))
        # The schema may be newer by now: this one migration runs, by itself.
        with Operations.context(MigrationContext.configure(connection)):
            runpy.run_path(str(MIGRATION))["upgrade"]()
        assert stored(connection) == before


def test_what_a_deleted_catalog_had_is_forgotten_bit_by_bit(shop: Shop) -> None:
    shop.import_([(0, {"a": 1, "b": 2})])
    with shop.database.write() as connection:
        forgotten = [attributes.forget_of(connection, [shop.catalog.pk], 2) for _ in range(3)]
    assert forgotten == [2, 2, 0]


def stored(connection: Connection, catalog_pk: int | None = None) -> dict[Any, set[Any]]:
    """Return what the columns say, by catalog, block and name."""
    query = sa.select(attribute_columns)
    if catalog_pk is not None:
        query = query.where(attribute_columns.c.catalog_pk == catalog_pk)
    out = {}
    for row in connection.execute(query):
        column = Column.unpack(row.data)
        codes = zip(column.places.tolist(), column.codes.tolist(), strict=True)
        out[row.catalog_pk, row.block, row.name] = {
            (place, str(column.numbers[code] if code >= 0 else column.others[code]))
            for place, code in codes
        }
    return out
