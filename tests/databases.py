"""Which database the systems of a run of tests have: SQLite, or with TEST_DATABASE=postgresql one
on a server of each test process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from postgres import Server, binaries, server

from visearch.store.database import Database

CHOICES = ("sqlite", "postgresql")

_running: list[Server] = []


@contextmanager
def chosen() -> Iterator[None]:
    """Run the server that the choice takes, if any, for the time of the block."""
    choice = os.environ.get("TEST_DATABASE", CHOICES[0])
    assert choice in CHOICES, f"TEST_DATABASE is {choice}; it must be one of {CHOICES}"
    if choice == "sqlite":
        yield
        return
    programs = binaries()
    assert programs is not None, "TEST_DATABASE=postgresql needs Debian's postgresql"
    with server(programs) as started:
        _running.append(started)
        yield
        _running.remove(started)


def settings() -> dict[str, str]:
    """Return the settings of a system with an empty database of its own."""
    return {"database_url": _running[-1].new_database()} if _running else {}


def query(url: str, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
    """Run one statement in a transaction of its own; each ``?`` stands for an argument."""
    database = Database(url)
    statement = sql if database.is_sqlite else sql.replace("?", "%s")
    with database.write() as connection:
        result = connection.exec_driver_sql(statement, arguments)
        rows = [tuple(row) for row in result] if result.returns_rows else []
    database.close()
    return rows
