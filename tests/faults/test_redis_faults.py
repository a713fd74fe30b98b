"""A Redis that is slow, says nothing, or is full: bounded answers, and all goes on afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest
import redis
from system import System, archive, eventually, picture
from wire import Wire

from visearch.cli import redis_server
from visearch.settings import Settings

PAUSE_S = float(os.environ.get("PAUSE_S", "6"))
PATIENCE_S = 5.0
"""A request waits no longer than this for a Redis that is silent."""


@dataclass
class Faulty:
    """A running system, the wire between it and its Redis, and a way to Redis beside that."""

    system: System
    wire: Wire
    direct: redis.Redis
    pid: int
    """Of Redis."""

    def search(self, seed: int) -> httpx.Response:
        """Search by a picture, waiting for the answer."""
        return self.system.http.post(
            "/v1/searches",
            files={"image": ("q.jpg", picture(seed))},
            data={"catalog": "faults", "limit": "1"},
            headers={"Prefer": "wait=10"},
        )

    def succeeds(self, seed: int) -> bool:
        """Search; tells whether it has succeeded."""
        answer = self.search(seed)
        return answer.status_code == 200 and answer.json()["status"] == "succeeded"


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    """A system whose Redis is reached over a wire."""
    folder = tmp_path_factory.mktemp("faulty")
    own = Settings(home=folder / "redis")
    with subprocess.Popen(redis_server.command(own), stdout=subprocess.DEVNULL) as server:
        eventually(own.redis_socket.exists, what="the socket")
        wire = Wire(own.redis_socket)
        system = System(folder / "home", redis_url=f"redis://127.0.0.1:{wire.port}").start()
        system.create_catalog("faults")
        system.finish(system.upload("faults", archive([("p.jpg", picture(0))])))
        with redis.Redis(unix_socket_path=str(own.redis_socket)) as direct:
            yield Faulty(system, wire, direct, server.pid)
        assert system.stop() == 0, system.output()
        wire.close()
        server.terminate()


def test_searches_work_over_a_slow_wire(faulty: Faulty) -> None:
    """Half a second for each question to Redis and its answer."""
    faulty.wire.delay_s = 0.25
    try:
        for seed in (1, 2):
            answer = faulty.search(seed)
            while answer.json()["status"] in ("queued", "running"):
                answer = faulty.system.http.get(f"/v1/searches/{answer.json()['id']}")
            assert answer.json()["status"] == "succeeded", answer.text
    finally:
        faulty.wire.delay_s = 0.0


def test_a_silent_redis_costs_seconds_and_no_more(faulty: Faulty) -> None:
    assert faulty.succeeds(3)
    pids = faulty.system.pids()
    with faulty.wire.silence():
        for _ in range(2):
            with ThreadPoolExecutor(12) as pool:
                answers = list(pool.map(lambda seed: timed(faulty, seed), range(10, 22)))
            print("a silent Redis:", [f"{spent:.1f}" for _, spent in answers])
            for answer, spent in answers:
                assert (answer.status_code, answer.json()["code"]) == (
                    503,
                    "dependency_unavailable",
                )
                assert spent < PATIENCE_S
        start = time.monotonic()
        assert faulty.system.http.get("/healthz").status_code == 200
        assert time.monotonic() - start < 1
        assert faulty.system.http.get("/readyz").json()["redis"] is False
    start = time.monotonic()
    eventually(lambda: faulty.succeeds(4), seconds=60, what="a search after the silence")
    print(f"searches succeed again after {time.monotonic() - start:.1f} s")
    eventually(lambda: faulty.system.http.get("/readyz").status_code == 200, what="readiness")
    assert faulty.system.pids() == pids


def test_a_redis_that_pauses_costs_nothing_that_was_accepted(faulty: Faulty) -> None:
    """Its machine is frozen for a while, in the middle of an import and of searches."""
    pids, files = faulty.system.pids(), [(f"{n}.jpg", picture(100 + n)) for n in range(80)]
    record = faulty.system.upload(faulty.system.create_catalog("paused"), archive(files))
    os.kill(faulty.pid, signal.SIGSTOP)
    try:
        end = time.monotonic() + PAUSE_S
        while time.monotonic() < end:
            answer, spent = timed(faulty, 3)
            assert (answer.status_code, answer.json()["code"]) == (503, "dependency_unavailable")
            assert spent < PATIENCE_S
    finally:
        os.kill(faulty.pid, signal.SIGCONT)
    eventually(lambda: faulty.succeeds(8), seconds=60, what="a search after the pause")
    done = faulty.system.finish(record)
    assert (done["status"], done["counts"]["searchable"]) == ("succeeded", len(files))
    assert faulty.system.pids() == pids


def timed(faulty: Faulty, seed: int) -> tuple[httpx.Response, float]:
    """Search with a client of its own; returns the answer and the seconds it took."""
    with faulty.system.open_http() as http:
        start = time.monotonic()
        answer = http.post(
            "/v1/searches",
            files={"image": ("q.jpg", picture(seed))},
            data={"catalog": "faults"},
            headers={"Prefer": "wait=10"},
        )
        return answer, time.monotonic() - start


def test_a_full_redis_refuses_searches_and_nothing_dies(faulty: Faulty) -> None:
    assert faulty.succeeds(5)
    pids = faulty.system.pids()
    faulty.direct.config_set("maxmemory", "100kb")
    try:
        for seed in (30, 31):
            answer = faulty.search(seed)
            assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
            assert answer.headers["Retry-After"]
        accepted = faulty.system.upload("faults", archive([("late.jpg", picture(6))]))
        time.sleep(10)  # longer than a heartbeat lives
        ready = faulty.system.http.get("/readyz")
        assert ready.status_code == 200, ready.text
    finally:
        faulty.direct.config_set("maxmemory", "0")
    eventually(lambda: faulty.succeeds(7), what="a search")
    assert faulty.system.finish(accepted)["status"] == "succeeded"
    assert faulty.system.pids() == pids


def test_messages_fetched_from_a_full_redis_are_run(faulty: Faulty) -> None:
    """A message that was taken from the queue cannot be noted as held; it is not lost for that."""
    pid = faulty.system.pids()["search"]
    os.kill(pid, signal.SIGSTOP)
    try:
        accepted = [
            faulty.system.http.post(
                "/v1/searches",
                files={"image": ("q.jpg", picture(seed))},
                data={"catalog": "faults", "limit": "1"},
            ).json()["id"]
            for seed in (40, 41, 42)
        ]
        faulty.direct.config_set("maxmemory", "100kb")
    finally:
        os.kill(pid, signal.SIGCONT)
    try:
        for search_id in accepted:
            headers = {"Prefer": "wait=10"}
            answer = faulty.system.http.get(f"/v1/searches/{search_id}", headers=headers)
            assert answer.json()["status"] == "succeeded", answer.text
    finally:
        faulty.direct.config_set("maxmemory", "0")
    assert faulty.system.pids()["search"] == pid


def test_ticks_do_not_pile_up_without_a_maintainer(faulty: Faulty) -> None:
    """Beat sends no more while a few wait; of many that waited, one of each kind is run."""
    pid = faulty.system.pids()["maintain"]
    os.kill(pid, signal.SIGSTOP)
    try:
        eventually(lambda: faulty.direct.llen("maintain") >= 2, what="ticks")
        waiting = faulty.direct.lrange("maintain", 0, -1)
        faulty.direct.lpush("maintain", *waiting * 10)
        depth = faulty.direct.llen("maintain")
        time.sleep(5)  # for some three ticks
        assert faulty.direct.llen("maintain") == depth
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: not faulty.direct.llen("maintain"), seconds=10, what="an empty queue")
    eventually(lambda: faulty.direct.keys("visearch:tick:*"), what="a tick that is run")
    assert faulty.system.pids()["maintain"] == pid
