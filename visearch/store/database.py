"""The database: engine and transactions. SQLite (WAL) or PostgreSQL by URL."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from visearch import private
from visearch.errors import (
    Conflict,
    DependencyBroken,
    DependencyUnavailable,
    SettingsError,
    TooSlow,
    VisearchError,
    first_line,
)

BUSY_TIMEOUT_MS = 15_000
POOL_TIMEOUT_S = 5.0
NO_LIMIT_S = 7 * 86_400.0
STATEMENT_TIMEOUT_S = 60.0
"""Longer than any statement of ours should take, and short enough to notice a database that hangs.
``patient_write`` has no limit."""

PROGRESS_STEPS = 20_000
"""Steps of SQLite's machine between two looks at the time: some tenths of a millisecond."""

_SQLITE_BROKEN = frozenset(
    {
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)
_POSTGRESQL_PASSING = ("08", "40", "53", "55", "57", "58")
"""Classes of SQLSTATE that may be gone the next time: connection, rollback, resources, locks,
operator intervention, the server's system."""

_POSTGRESQL_CANCELLED = "57014"
"""A statement took longer than its limit: it would the next time too."""

Connection = sa.Connection
"""A transaction of ``Database.read`` or ``write``, for signatures outside the store too."""

_INSERT: dict[str, Callable[..., Any]] = {
    "sqlite": insert_sqlite,
    "postgresql": insert_postgresql,
}


class Database:
    """A pool of connections that gives read and write transactions.

    On PostgreSQL a statement that takes longer than ``statement_timeout_s`` is stopped.
    """

    def __init__(self, url: str, statement_timeout_s: float = STATEMENT_TIMEOUT_S) -> None:
        self._statement_timeout_s = statement_timeout_s
        self.url = sa.make_url(url)
        if self.url.drivername == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite and self.url.database:
            private.make_folder(Path(self.url.database).parent)
        self._set_patience: Callable[[sa.Connection, float | None], None] = _patience_of_sqlite
        if self.is_sqlite:
            self._engine = _engine(self.url)
            event.listen(self._engine, "do_connect", _make_private)
            event.listen(self._engine, "connect", _configure_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        else:
            # Here, because its driver takes a tenth of a second to load.
            from visearch.store import postgresql

            options = postgresql.options(statement_timeout_s)
            self._engine = _engine(self.url, pool_pre_ping=True, connect_args=options)
            postgresql.make_patient(self._engine)
            self._set_patience = postgresql.set_patience

    @contextmanager
    def read(self, within_s: float | None = None) -> Iterator[sa.Connection]:
        """A transaction that only reads: on SQLite one snapshot, on PostgreSQL one per statement.

        With ``within_s``, a statement that runs when so much time is over is stopped.

        Raises:
            TooSlow: that has happened.
            DependencyUnavailable: the database does not answer.
            DependencyBroken: it cannot be used until its operator repairs it.
        """
        with self._connect(writes=False) as connection:
            if within_s is None:
                yield connection
            else:
                with self._limited(connection, within_s):
                    yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that may write; commits at the end, rolls back on any error.

        Raises:
            Conflict: another transaction wrote the same key first.
            DependencyUnavailable: the database does not answer, or stays locked.
            DependencyBroken: it cannot be used until its operator repairs it.
        """
        with self._connect(writes=True) as connection:
            yield connection

    @contextmanager
    def _connect(self, *, writes: bool) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect() as connection:
                connection = connection.execution_options(visearch_writes=writes)
                with self._patient(connection), connection.begin():
                    yield connection
        except IntegrityError as error:
            raise Conflict("Someone else wrote the same at the same time. Try again.") from error
        except sa.exc.TimeoutError as error:
            detail = "Every connection to the database is in use. Try again."
            raise DependencyUnavailable(detail, "database") from error
        except DBAPIError as error:
            if (translated := _fault(error)) is None:
                raise  # a statement of ours is wrong
            raise translated from error

    @contextmanager
    def _patient(self, connection: sa.Connection) -> Iterator[None]:
        """Wait for the statements of the block for as long as they may take."""
        self._set_patience(connection, self._statement_timeout_s)
        try:
            yield
        finally:
            if not connection.invalidated:
                self._set_patience(connection, None)

    @contextmanager
    def _limited(self, connection: sa.Connection, within_s: float) -> Iterator[None]:
        end = time.monotonic() + within_s
        driver = connection.connection.driver_connection
        if isinstance(driver, sqlite3.Connection):
            driver.set_progress_handler(lambda: time.monotonic() > end, PROGRESS_STEPS)
        else:
            limit = sa.text(f"SET LOCAL statement_timeout = {max(1, int(within_s * 1000))}")
            connection.execute(limit)
            self._set_patience(connection, within_s)
        try:
            yield
        except DBAPIError as error:
            if time.monotonic() <= end or error.connection_invalidated:
                raise
            detail = f"The database was still at work on this after {within_s:.1f} s."
            raise TooSlow(detail) from error
        finally:
            if isinstance(driver, sqlite3.Connection):
                driver.set_progress_handler(None, 0)

    @contextmanager
    def patient_write(self) -> Iterator[sa.Connection]:
        """A transaction as of ``write`` whose statements may take as long as they need."""
        with self.write() as connection:
            if not self.is_sqlite:
                connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
                connection.execute(sa.text("SET LOCAL lock_timeout = 0"))
            self._set_patience(connection, NO_LIMIT_S)
            yield connection

    def copy_to(self, path: Path) -> None:
        """Write the database as it stands to a new file at ``path``, while others go on; SQLite's.

        Raises:
            DependencyUnavailable: the database does not answer.
            DependencyBroken: it is damaged.
        """
        private.create_file(path)
        with self.read() as connection, contextlib.closing(sqlite3.connect(path)) as target:
            source = connection.connection.driver_connection
            assert isinstance(source, sqlite3.Connection)
            try:
                source.backup(target)  # in one step: nobody writes between two
                found = target.execute("PRAGMA quick_check(1)").fetchone()[0]
            except sqlite3.Error as error:
                raise DependencyBroken(f"The database cannot be copied: {error}.") from error
        if found != "ok":
            raise DependencyBroken(f"The database is damaged: {found}.")

    def ping(self) -> None:
        """Run the smallest query; raises DependencyUnavailable or DependencyBroken if it fails."""
        try:
            with self.read() as connection:
                connection.execute(sa.text("SELECT 1 FROM catalogs LIMIT 1"))
        except DBAPIError as error:
            raise DependencyBroken(
                f"The database has no schema: {first_line(error.orig or error)}. "
                "Run `visearch migrate`."
            ) from error

    def close(self) -> None:
        """Close pooled connections."""
        self._engine.dispose()


def _engine(url: sa.URL, **options: Any) -> sa.Engine:
    return sa.create_engine(
        url, pool_size=20, max_overflow=20, pool_timeout=POOL_TIMEOUT_S, **options
    )


def _patience_of_sqlite(_connection: sa.Connection, _seconds: float | None) -> None:
    """Nothing: SQLite works in this process, so it cannot fall silent."""


def sqlite_file(url: str) -> Path | None:
    """Return the file of the SQLite database at ``url``; None if it is another database.

    Raises:
        SettingsError: the URL names no database.
    """
    try:
        named = sa.make_url(url)
    except ArgumentError as error:
        raise SettingsError(
            f"VISEARCH_DATABASE_URL cannot be used: {first_line(error)}. Correct it."
        ) from error
    if named.get_backend_name() != "sqlite" or not named.database:
        return None
    return Path(named.database)


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


def _fault(error: DBAPIError) -> VisearchError | None:
    """Return what an error of the driver says about the database; None if nothing.

    A fault that is not known to last is taken for one that passes.
    """
    reason, code = first_line(error.orig or error), getattr(error.orig, "sqlite_errorcode", None)
    state = getattr(error.orig, "sqlstate", None)
    if code is not None and code & 0xFF in _SQLITE_BROKEN:
        return DependencyBroken(f"The database cannot be used: {reason}.")
    if not isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
        return None
    if code == sqlite3.SQLITE_ERROR:
        return None
    if state == _POSTGRESQL_CANCELLED:
        return TooSlow(f"The database was too slow: {reason}.")
    if state is not None and not state.startswith(_POSTGRESQL_PASSING):
        return DependencyBroken(f"The database cannot be used: {reason}.")
    return DependencyUnavailable(f"The database does not answer: {reason}.", "database")


def _make_private(_dialect: object, _record: object, path: list[str], _options: object) -> None:
    """Make the file before SQLite does, for this user only; its ``-wal`` and ``-shm`` follow it."""
    if path[0] != ":memory:":
        with contextlib.suppress(OSError):  # SQLite fails too, and its error is translated
            private.create_file(Path(path[0]))


def _configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # We begin transactions ourselves: sqlite3's own rule (before the first write) lets
    # two readers deadlock when both turn into writers.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",  # what was acknowledged survives a power cut
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


def replace(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows, each in place of the one that has its key; all name the same columns."""
    if rows:
        insert = _INSERT[connection.dialect.name](table)
        key = [column.name for column in table.primary_key]
        changes = {name: insert.excluded[name] for name in rows[0] if name not in key}
        connection.execute(insert.on_conflict_do_update(index_elements=key, set_=changes), rows)
