"""A database that is locked, restarted, or cuts its connections, under load."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from postgres import Server, binaries, server
from storm import CHANGING, PASSING, STOCK, Storm
from system import System, eventually

from visearch.store.database import sqlite_file

ROUNDS = int(os.environ.get("STORM_ROUNDS", "2"))
LOCKED_S = 10.0
LOAD_S = 2.0
"""So long the clients are at work before a fault, and after it."""


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Server]:
    programs = binaries()
    if programs is None:
        pytest.skip("NO POSTGRESQL: install it to test visearch on it")
    with server(programs) as started:
        yield started


@pytest.fixture(scope="module")
def on_postgresql(postgresql: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    home = tmp_path_factory.mktemp("pg") / "home"
    running = System(home, chunk_items="4", database_url=postgresql.new_database()).start()
    Storm(running).prepare()
    yield running
    assert running.stop() == 0, running.output()


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    home = tmp_path_factory.mktemp("sqlite") / "home"
    running = System(home, chunk_items="4", database_url="").start()
    Storm(running).prepare()
    yield running
    assert running.stop() == 0, running.output()


def test_a_locked_sqlite_holds_up_writes_alone(on_sqlite: System) -> None:
    path = sqlite_file(on_sqlite.settings.database)
    assert path is not None
    pids = on_sqlite.pids()
    with (
        Storm(on_sqlite, writers=2).blowing() as seen,
        closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as other,
    ):
        time.sleep(LOAD_S)  # under load
        other.execute("BEGIN IMMEDIATE")
        time.sleep(LOCKED_S)  # the fault
        other.execute("ROLLBACK")
        time.sleep(LOAD_S)  # under load
    assert seen.searches.keys() == {"succeeded"}, seen.searches
    assert seen.writes.keys() <= {"202", "503"}, seen.writes
    assert on_sqlite.pids() == pids


def test_a_locked_postgresql_is_outlived(on_postgresql: System) -> None:
    """Nothing can be read either."""
    pids = on_postgresql.pids()
    with (
        Storm(on_postgresql, writers=2).blowing() as seen,
        psycopg.connect(on_postgresql.settings.database) as other,
    ):
        time.sleep(LOAD_S)  # under load
        other.execute("LOCK TABLE catalogs IN ACCESS EXCLUSIVE MODE")
        time.sleep(LOCKED_S)  # the fault
        other.rollback()
        time.sleep(LOAD_S)  # under load
    assert seen.searches["succeeded"]
    assert on_postgresql.pids() == pids


def test_postgresql_is_restarted(postgresql: Server, on_postgresql: System) -> None:
    """By its operator and by a crash; in between, whoever asks is told so within seconds."""
    pids = on_postgresql.pids()
    with Storm(on_postgresql).blowing() as seen:
        for mode in ("fast", "immediate") * max(1, ROUNDS // 2):
            time.sleep(LOAD_S)  # under load
            postgresql.stop(mode)
            begun = time.monotonic()
            told = on_postgresql.http.get(f"/v1/catalogs/{STOCK}")
            assert (told.status_code, told.json()["code"]) == (503, "dependency_unavailable")
            assert told.headers["Retry-After"]
            assert time.monotonic() - begun < 6
            time.sleep(LOAD_S)  # under load
            postgresql.start()
            eventually(on_postgresql.api.ready, seconds=60, what="readiness")
    assert seen.searches["succeeded"]
    assert on_postgresql.pids() == pids, "workers wait for the database"


def test_connections_are_reset(postgresql: Server, on_postgresql: System) -> None:
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    count = 0
    with Storm(on_postgresql).blowing() as seen:
        for _ in range(ROUNDS):
            time.sleep(LOAD_S / 2)  # under load
            count += postgresql.execute(f"{cut} AND datname LIKE 'd%'")
        time.sleep(LOAD_S / 2)  # under load
    print(f"{count} connections cut")
    assert seen.searches["succeeded"] and count


def test_a_database_that_hangs_is_told_and_outlived(
    postgresql: Server, on_postgresql: System
) -> None:
    """It accepts connections and says nothing: SIGSTOP of all its processes."""
    with Storm(on_postgresql).blowing() as seen:
        time.sleep(LOAD_S / 2)  # under load
        with postgresql.stopped():
            begun = time.monotonic()
            told = on_postgresql.http.get(f"/v1/catalogs/{CHANGING}")
            spent = time.monotonic() - begun
            assert (told.status_code, told.json()["code"] in PASSING) == (503, True)
            assert on_postgresql.http.get("/healthz").status_code == 200
        eventually(on_postgresql.api.ready, seconds=60, what="readiness")
    print(f"a hanging database: 503 after {spent:.1f} s")
    assert seen.searches["succeeded"]
