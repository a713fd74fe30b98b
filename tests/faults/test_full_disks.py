"""Real disks that are full: of the blobs, of the database and of Redis, each by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from disks import full, mounted
from ledgers import assert_complete, upload
from system import System, archive, eventually, picture

STOCK, SEEDS = "stock", range(8)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system whose home, blobs and Redis are on small disks of their own, used to the end."""
    home = tmp_path_factory.mktemp("disks") / "home"
    with mounted(home, 96), mounted(home / "blobs", 24), mounted(home / "redis", 24):
        running = System(home, disk_reserve_bytes="1", chunk_items="4", database_url="").start()
        assert_complete(running, upload(running, STOCK, SEEDS), SEEDS)
        yield running
        assert running.stop() == 0, running.output()


def search(system: System, seed: int) -> tuple[int, str]:
    """Search; returns the status of the answer, and of the search or the error's code."""
    answer = system.http.post(
        "/v1/searches",
        files={"image": ("q.jpg", picture(seed, side=96))},
        data={"catalog": STOCK, "limit": "1"},
        headers={"Prefer": "wait=10"},
    )
    body = answer.json()
    return answer.status_code, body.get("code") or body["status"]


def test_a_full_disk_of_blobs(system: System) -> None:
    """What was accepted waits and says for what; what is new is refused; searches go on."""
    pids = system.pids()
    many = range(100, 180)
    record = upload(system, "waits", many)
    with full(system.home / "blobs"):
        told = system.http.post(
            f"/v1/catalogs/{STOCK}/imports",
            content=archive([("late.jpg", picture(50))]),
            headers={"Content-Type": "application/zip"},
        )
        assert (told.status_code, told.json()["code"]) in (
            (503, "dependency_unavailable"),
            (503, "overloaded"),
        ), told.text
        assert told.headers["Retry-After"]
        assert search(system, 1) == (200, "succeeded")
        now = eventually(
            lambda: (now := system.read_import(record)).get("waiting") and now,
            what="an import that says what it waits for",
        )
        assert now["finished_at"] is None, now
        assert "blob" in str(now["waiting"]), now
    assert_complete(system, record, many)
    assert system.pids() == pids


def test_a_full_disk_of_the_database(system: System) -> None:
    """Nothing is accepted that could not be kept; searches go on."""
    pids = system.pids()
    kept = put_until_refused(system)
    record = upload(system, "after", SEEDS)
    assert_complete(system, record, SEEDS)
    for n in range(kept + 1):
        there = system.http.get(f"/v1/catalogs/{STOCK}/products/late{n}")
        assert there.status_code == (200 if n < kept else 404), "kept, or refused"
    assert system.pids() == pids


def put_until_refused(system: System) -> int:
    """Put products until one is refused; returns how many were accepted.

    Those go into room that SQLite's log has already: it is cut off just before, but others write.
    """
    for n in range(20):
        with closing(sqlite3.connect(system.home / "visearch.db")) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with full(system.home, but=8192):  # more than the reserve, less than a commit takes
            answer = system.http.put(
                f"/v1/catalogs/{STOCK}/products/late{n}", files={"image": picture(60 + n, side=96)}
            )
            if answer.status_code != 202:
                found = answer.status_code, answer.json()["code"]
                assert found == (503, "dependency_unavailable")
                assert search(system, 2) == (200, "succeeded")
                return n
    raise AssertionError("a full disk refuses nothing")


def test_a_full_disk_of_redis(system: System) -> None:
    """It refuses every write until there is room again; so searches are refused, and come back."""
    with full(system.home / "redis"):

        def refused() -> bool:
            status, code = search(system, 3)
            assert status in (200, 202, 503), code  # 202: accepted just before, and it will expire
            return (status, code) in ((503, "overloaded"), (503, "dependency_unavailable"))

        eventually(refused, what="a refusal")
        assert system.http.get("/healthz").status_code == 200
    eventually(lambda: search(system, 4) == (200, "succeeded"), seconds=60, what="a search")
    assert_complete(system, upload(system, "redis", SEEDS), SEEDS)
