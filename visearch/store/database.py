"""The database: engine, transactions, migrations. SQLite (WAL) or PostgreSQL by URL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
)

from visearch.errors import Conflict, DependencyUnavailable, SettingsError, first_line

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_MS = 30_000

Connection = sa.Connection
"""A transaction of ``Database.read`` or ``write``, for signatures outside the store too."""

_INSERT: dict[str, Callable[..., Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Database:
    """A pool of connections that gives read and write transactions."""

    def __init__(self, url: str) -> None:
        self.url = sa.make_url(url)
        if self.url.drivername == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite and self.url.database:
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        options: dict[str, Any] = {} if self.is_sqlite else {"pool_pre_ping": True}
        self._engine = sa.create_engine(self.url, pool_size=20, max_overflow=20, **options)
        if self.is_sqlite:
            event.listen(self._engine, "connect", _configure_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads: on SQLite one snapshot, on PostgreSQL one per statement.

        Raises:
            DependencyUnavailable: the database does not answer.
        """
        with self._connect(writes=False) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that may write; commits at the end, rolls back on any error.

        Raises:
            Conflict: another transaction wrote the same key first.
            DependencyUnavailable: the database does not answer, or stays locked.
        """
        with self._connect(writes=True) as connection:
            yield connection

    @contextmanager
    def _connect(self, *, writes: bool) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect() as connection:
                connection = connection.execution_options(visearch_writes=writes)
                with connection.begin():
                    yield connection
        except IntegrityError as error:
            raise Conflict("Someone else wrote the same at the same time. Try again.") from error
        except sa.exc.TimeoutError as error:
            detail = "Every connection to the database is in use. Try again."
            raise DependencyUnavailable(detail) from error
        except (OperationalError, InterfaceError) as error:
            raise DependencyUnavailable(
                f"The database does not answer: {first_line(error.orig or error)}."
            ) from error

    def migrate(self) -> None:
        """Bring the schema to the newest version (Alembic ``upgrade head``)."""
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("sqlalchemy.url", "set-by-connection")
        with self.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def ping(self) -> None:
        """Run the smallest query; raises DependencyUnavailable if it fails."""
        try:
            with self.read() as connection:
                connection.execute(sa.text("SELECT 1 FROM catalogs LIMIT 1"))
        except DBAPIError as error:
            raise DependencyUnavailable(
                f"The database has no schema: {first_line(error.orig or error)}. "
                "Run `visearch migrate`."
            ) from error

    def close(self) -> None:
        """Close pooled connections."""
        self._engine.dispose()


def check_url(url: str) -> None:
    """Connect to the database at ``url`` once.

    Raises:
        SettingsError: the URL names no database that visearch can use.
        DependencyUnavailable: the database does not answer.
    """
    try:
        database = Database(url)
        with database.read() as connection:
            connection.execute(sa.text("SELECT 1"))
        database.close()
    except (ArgumentError, ImportError) as error:
        raise SettingsError(
            f"VISEARCH_DATABASE_URL cannot be used: {first_line(error)}. Correct it."
        ) from error


def _configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # We begin transactions ourselves: sqlite3's own rule (before the first write) lets
    # two readers deadlock when both turn into writers.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
        "temp_store = MEMORY",
        "cache_size = -65536",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("visearch_writes", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def insert_new(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert the rows whose key the table does not have."""
    if rows:
        insert = _INSERT[connection.dialect.name](table).on_conflict_do_nothing()
        connection.execute(insert, rows)
