"""The ledger's pages: of any status, in file order; failures without a walk past the rest."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from visearch.ids import new_id
from visearch.records import Import, PlannedItem
from visearch.store import catalogs, imports, ledger
from visearch.store.database import Database

STATUSES = ["searchable", "failed", "pending", "searchable", "pending", "failed"]


def an_import(database: Database, ended: str | None) -> Import:
    with database.write() as connection:
        names = {"encoder": "bundled", "fingerprint": "f", "dimension": 8}
        name = f"shop-{new_id()}"
        shop = catalogs.create(connection, name, title="", metric="cosine", **names)
        common = {"mode": "upsert", "media": "zip", "source": "", "request_id": "test"}
        record = imports.create(connection, shop, **common)
        items = [PlannedItem(path=f"{i}", product_id=f"{i}", position=0) for i in range(6)]
        ledger.add_items(connection, record.pk, 0, list(enumerate(items)))
        settled = [
            {"item": i, "status": status, "stage": "index" if i else "fetch"}
            for i, status in enumerate(STATUSES)
        ]
        ledger.update_items(connection, record.pk, settled)
        imports.start(connection, record.pk, 6)
        if ended:
            imports.end(connection, record.pk, ended)
        return imports.by_id(connection, record.id)


@pytest.mark.parametrize(
    ("ended", "status", "expected"),
    [
        (None, None, [0, 1, 2, 3, 4, 5]),
        (None, "failed", [1, 5]),
        (None, "pending", [2, 4]),
        (None, "searchable", [0, 3]),
        ("cancelled", "failed", [1, 2, 4, 5]),
        ("failed", "failed", [1, 2, 4, 5]),
        ("cancelled", "pending", []),
        ("cancelled", "searchable", [0, 3]),
    ],
)
def test_a_page_has_the_items_of_a_status_in_file_order(
    either_database: Database, ended: str | None, status: str | None, expected: list[int]
) -> None:
    record = an_import(either_database, ended)
    found, after = [], -1
    with either_database.read() as connection:
        while page := ledger.items(connection, record, after=after, limit=2, status=status):
            found += [item.item for item in page]
            after = page[-1].item
        some = ledger.items(connection, record, limit=9, status=status, stage="fetch")
    assert found == expected
    assert [item.item for item in some] == [i for i in expected if i == 0]


def test_the_few_that_failed_are_found_by_an_index(either_database: Database) -> None:
    """Without one, a page of them is a walk through the ledger."""
    if not either_database.is_sqlite:
        pytest.skip("PostgreSQL plans by the size of the table")
    record, asked = an_import(either_database, None), []
    with either_database.read() as connection:
        sa.event.listen(connection, "before_cursor_execute", lambda *said: asked.append(said[2:4]))
        ledger.items(connection, record, limit=2, status="failed")
        (statement, parameters), *_ = asked
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    assert "ix_import_items_failed" in str(plan)
