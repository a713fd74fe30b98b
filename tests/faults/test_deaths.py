"""``kill -9`` of every process, and the loss of Redis, in the middle of an import."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from ledgers import assert_complete, held, upload, wait_for_items, wait_until_held
from system import System, eventually, picture

ITEMS = range(160)
RECOVERY_S = 20.0
"""A beat missed, two looks of the reconciler: 15 s, and some for a busy machine."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system whose chunks are small: a kill always hits one."""
    home = tmp_path_factory.mktemp("deaths") / "home"
    running = System(home, chunk_items="8").start()
    yield running
    assert running.stop() == 0, running.output()


def children(system: System, role: str) -> list[int]:
    return [child.pid for child in psutil.Process(system.pids()[role]).children()]


def test_processes_that_hold_no_chunk(system: System) -> None:
    """Web, search, the maintainer and its clock die; an import goes on meanwhile."""
    record = upload(system, "bystanders", ITEMS)
    for role in ("maintain", "beat", "search", "web"):
        old = system.kill(role)
        system.wait_restarted(role, old)
    eventually(lambda: answers(system), what="the web server")
    eventually(lambda: readyz(system) == 200, seconds=60, what="readiness")
    assert_complete(system, record, ITEMS)


def test_a_child_of_ingest_dies_alone(system: System) -> None:
    """Its parent notices soon, also if it looked while the child was still ending."""
    record = upload(system, "child", ITEMS)
    parent = system.pids()["ingest"]
    for number in (signal.SIGKILL, signal.SIGTERM):
        lost = wait_until_held(system, "decode")
        for child in children(system, "ingest"):
            os.kill(child, number)
        spent = released_after(system, lost)
        print(f"a decoder killed by {number.name}: released after {spent:.1f} s")
        assert spent < 2.5
    assert_complete(system, record, ITEMS)
    assert system.pids()["ingest"] == parent


@pytest.mark.parametrize("whole_group", [True, False])
def test_ingest_and_embed_die(system: System, whole_group: bool) -> None:
    """What they held is released when their heartbeat is missed."""
    record = upload(system, f"both-{whole_group}".lower(), ITEMS)
    wait_for_items(system, record, 8)
    orphans = children(system, "ingest")
    lost = []
    for role, stage in (("embed", "embed"), ("ingest", "decode")):
        lost += wait_until_held(system, stage)
        kill = system.kill if whole_group else lambda role: os.kill(system.pids()[role], 9)
        kill(role)
    spent = released_after(system, lost)
    print(f"ingest and embed killed: {len(lost)} chunks released after {spent:.1f} s")
    assert not [pid for pid in orphans if psutil.pid_exists(pid)]
    assert_complete(system, record, ITEMS)


def test_redis_dies_twice(system: System) -> None:
    """Every role finds its way back, also the second time."""
    record = upload(system, "redis", ITEMS)
    for wanted in (8, 80):
        wait_for_items(system, record, wanted)
        pids = system.pids()
        system.wait_restarted("redis", system.kill("redis"))
        search_through_an_outage(system)
        workers = {role: pid for role, pid in system.pids().items() if role != "redis"}
        survivors = {role: pid for role, pid in pids.items() if role != "redis"}
        lost = [role for role, pid in survivors.items() if workers.get(role) != pid]
        assert not lost, "".join(f"{role}:\n{system.log(role)[-6000:]}" for role in lost)
    assert_complete(system, record, ITEMS)
    assert_maintained(system)


def test_redis_is_emptied(system: System) -> None:
    """The queue is only a hint: what it forgot is sent again from the rows."""
    record = upload(system, "flushed", ITEMS)
    for wanted in (8, 64):
        wait_for_items(system, record, wanted)
        with redis.Redis(unix_socket_path=redis_socket(system)) as client:
            client.flushall()
    assert_complete(system, record, ITEMS)
    assert_maintained(system)


def redis_socket(system: System) -> str:
    from visearch.settings import Settings

    return str(Settings(home=Path(system.env["VISEARCH_HOME"])).redis_socket)


def released_after(system: System, lost: list[tuple[object, ...]]) -> float:
    """Wait until nobody is thought to hold what the dead held; returns the seconds."""
    start = time.monotonic()
    stages = ("decode", "embed")
    eventually(
        lambda: not {row for stage in stages for row in held(system, stage)} & {*lost},
        seconds=RECOVERY_S,
        what=f"release of {lost}",
    )
    return time.monotonic() - start


def search_through_an_outage(system: System) -> None:
    """Search until one succeeds; until then every answer is terminal or a clear 503."""
    end = time.monotonic() + 30
    while True:
        answer = system.http.post(
            "/v1/searches",
            files={"image": ("query.jpg", picture(3, side=96))},
            data={"catalog": "redis", "limit": "1"},
            headers={"Prefer": "wait=10"},
        )
        if answer.status_code == 200 and answer.json()["status"] == "succeeded":
            return
        assert time.monotonic() < end, f"no search succeeds: {answer.text}"
        if answer.status_code == 503:
            assert answer.json()["code"] == "dependency_unavailable"
        else:
            assert answer.status_code in (200, 202), answer.text
            assert answer.json()["status"] in ("queued", "running", "expired"), answer.text


def assert_maintained(system: System) -> None:
    """The clock ticks and the maintainer listens: a lost chunk of old is found again."""
    (before,) = system.query("SELECT max(pk) FROM imports")
    fresh = upload(system, f"after-{before[0]}", range(16))
    with redis.Redis(unix_socket_path=redis_socket(system)) as client:
        client.flushall()
    assert_complete(system, fresh, range(16))


def answers(system: System) -> bool:
    try:
        return readyz(system) in (200, 503)
    except OSError:
        return False


def readyz(system: System) -> int:
    import httpx

    try:
        return system.http.get("/readyz").status_code
    except httpx.TransportError:
        return 0
