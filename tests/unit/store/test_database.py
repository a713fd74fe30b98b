"""The database: migrations agree with the tables, writers wait for each other."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from visearch import contract
from visearch.errors import Conflict, DependencyBroken, DependencyUnavailable, TooSlow
from visearch.store import (
    catalogs,
    outbox,
    schema_feeds,
    schema_golden,
    schema_imports,
    schema_marks,
    schema_ranking,
)
from visearch.store.database import Database
from visearch.store.migrate import migrate
from visearch.store.schema import outbox as outbox_rows


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(f"sqlite:///{tmp_path / 'v.db'}")
    migrate(made)
    return made


def add_catalog(database: Database, name: str = "shop") -> int:
    with database.write() as connection:
        made = catalogs.create(
            connection,
            name,
            title=name,
            metric="cosine",
            encoder="bundled",
            fingerprint="f",
            dimension=8,
        )
    return made.pk


def test_migrations_make_exactly_the_tables_of_the_schema(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        for module in (schema_imports, schema_feeds, schema_golden, schema_marks, schema_ranking):
            assert compare_metadata(context, module.metadata) == []


def test_migrating_twice_changes_nothing(database: Database) -> None:
    add_catalog(database)
    migrate(database)
    with database.read() as connection:
        assert [c.name for c in catalogs.everything(connection)] == ["shop"]


def test_a_database_without_schema_says_so(tmp_path: Path) -> None:
    empty = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(DependencyBroken, match="no such table"):
        empty.ping()


def test_a_damaged_database_is_no_outage(database: Database, tmp_path: Path) -> None:
    """Waiting would not mend it."""
    add_catalog(database)
    database.close()
    for path in tmp_path.glob("v.db-*"):
        path.unlink()
    (tmp_path / "v.db").write_bytes(b"not a database" * 1000)
    broken = Database(f"sqlite:///{tmp_path / 'v.db'}")
    with pytest.raises(DependencyBroken, match="cannot be used"), broken.read() as connection:
        catalogs.everything(connection)


def test_what_is_committed_is_on_the_disk(database: Database) -> None:
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2  # FULL


def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    pk = add_catalog(database)

    def fail() -> None:
        with database.write() as connection:
            catalogs.next_revision(connection, pk)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.read() as connection:
        assert catalogs.get(connection, "shop").revision == 0


def test_revisions_of_many_writers_are_a_sequence_without_gaps(database: Database) -> None:
    pk = add_catalog(database)
    seen: list[int] = []

    def write() -> None:
        for _ in range(25):
            with database.write() as connection:
                seen.append(catalogs.next_revision(connection, pk))

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == list(range(1, 201))


def test_a_reader_keeps_its_snapshot_while_a_writer_commits(database: Database) -> None:
    pk = add_catalog(database)
    with database.read() as reader:
        before = catalogs.get(reader, "shop").revision
        with database.write() as writer:
            catalogs.next_revision(writer, pk)
        assert catalogs.get(reader, "shop").revision == before


def test_the_outbox_sends_in_order_and_keeps_what_failed(database: Database) -> None:
    with database.write() as connection:
        outbox.add(connection, contract.RECONCILE, {"n": 1}, {"n": 2}, {"n": 3})
    sent: list[int] = []

    def send(_task: str, payload: object) -> None:
        assert isinstance(payload, dict)
        if payload["n"] == 2 and len(sent) == 1:
            sent.append(-2)
            raise DependencyUnavailable("no queue")
        sent.append(payload["n"])

    with pytest.raises(DependencyUnavailable):
        outbox.flush(database, send)
    with database.read() as connection:
        left = sa.select(sa.func.count()).select_from(outbox_rows)
        assert connection.execute(left).scalar_one() == 2
    assert outbox.flush(database, send) == 2
    assert sent == [1, -2, 2, 3]
    assert outbox.flush(database, send) == 0


def test_a_generation_swap_is_won_once(database: Database) -> None:
    add_catalog(database)
    with database.read() as connection:
        catalog = catalogs.get(connection, "shop")
    with database.write() as connection:
        catalogs.publish_generation(connection, catalog, "g1")
    with pytest.raises(Exception, match="published first"), database.write() as connection:
        catalogs.publish_generation(connection, catalog, "g2")
    with database.read() as connection:
        assert catalogs.get(connection, "shop").generation == "g1"


def test_names_are_free_again_after_deletion(database: Database) -> None:
    first = add_catalog(database)
    with pytest.raises(Conflict):
        add_catalog(database)
    with database.write() as connection:
        catalogs.delete(connection, catalogs.get(connection, "shop"))
    assert add_catalog(database) != first


def test_a_statement_that_takes_too_long_is_stopped(database: Database) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    begin = time.monotonic()
    with pytest.raises(TooSlow, match=r"after 0\.1 s"), database.read(0.1) as connection:
        connection.exec_driver_sql(endless)
    assert time.monotonic() - begin < 5
    with database.read() as connection:  # the same connection has no limit any more
        count = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000) "
        assert connection.exec_driver_sql(count + "SELECT max(i) FROM n").scalar_one() == 1_000_000


def test_a_flush_deletes_no_message_that_it_has_not_sent(database: Database) -> None:
    """Another process sends the same message and deletes it; SQLite gives its key to a new one."""
    with database.write() as connection:
        outbox.add(connection, contract.RECONCILE, {"n": 1})

    def send(task: str, payload: object, queue: str | None = None) -> None:
        with database.write() as connection:
            connection.execute(sa.delete(outbox_rows))
            outbox.add(connection, contract.RECONCILE, {"n": 2})

    assert outbox.flush(database, send) == 1
    with database.read() as connection:
        assert connection.execute(sa.select(outbox_rows.c.payload)).scalars().all() == [{"n": 2}]
