"""Slow, idle and too many clients: everybody else is served meanwhile, and they are left."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from statistics import median

import httpx
import pytest
from shop import b64
from slow import BODY, HEAD, answer, sockets, trickle
from system import System, archive, eventually, picture

PATIENCE_S = 3.0
PROMPT_S = 1.5
THREADS, CONNECTIONS = 8, 800
LORIS, BODIES = 500, 100
CATALOG = "slow"
ITEMS = 60_000


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system with few threads and little patience, and one picture to find."""
    running = System(
        tmp_path_factory.mktemp("slow") / "home",
        web_patience_s=str(PATIENCE_S),
        web_threads=str(THREADS),
        web_connections=str(CONNECTIONS),
        web_uploads="1",
    ).start()
    running.create_catalog(CATALOG)
    running.finish(running.upload(CATALOG, archive([("a.jpg", picture(1))])))
    yield running
    assert running.stop() == 0, running.output()


@pytest.fixture(scope="module")
def ledger(system: System) -> str:
    """The address of a ledger that fits into no buffer."""
    rows = "\n".join(f"p{i},no-such-folder/{i:0100}.jpg" for i in range(ITEMS))
    record = system.upload(CATALOG, archive([("manifest.csv", f"id,image\n{rows}".encode())]))
    assert system.finish(record)["counts"]["failed"] == ITEMS
    return f"/v1/catalogs/{CATALOG}/imports/{record['id']}/items"


def is_alive(system: System) -> float:
    """Ask /healthz on a connection of its own; returns the seconds it took."""
    start = time.monotonic()
    with closing(HTTPConnection("127.0.0.1", system.port, timeout=5)) as connection:
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
    return time.monotonic() - start


def test_slow_heads_and_bodies_cost_nobody_else_anything(system: System) -> None:
    healthy, searches = [], []
    with sockets(system, LORIS, HEAD) as heads, sockets(system, BODIES, HEAD + BODY) as bodies:
        began = time.monotonic()
        for seed in range(12):
            healthy.append(is_alive(system))
            start = time.monotonic()
            assert system.search(picture(seed), CATALOG)["status"] == "succeeded"
            searches.append(time.monotonic() - start)
            if time.monotonic() - began < PATIENCE_S - 1:
                assert trickle(heads, b"X") == LORIS
                assert trickle(bodies, b" ") == BODIES
        print(f"slowest /healthz {max(healthy):.3f} s, median search {median(searches):.3f} s")
        assert max(healthy) < PROMPT_S and median(searches) < PROMPT_S
        # A byte now and then is not progress: all of them are left.
        eventually(lambda: trickle(heads, b"X") == 0, seconds=PATIENCE_S + 5, what="heads left")
        for client in bodies:
            told = answer(client)
            assert told.startswith(b"HTTP/1.1 408 ") and b'"request_timeout"' in told


def test_too_many_connections_make_room_for_a_new_one(system: System) -> None:
    with sockets(system, CONNECTIONS + 50, b"") as idle:
        assert is_alive(system) < PROMPT_S
        assert system.search(picture(1), CATALOG)["status"] == "succeeded"
        assert trickle(idle, b"G") >= CONNECTIONS - 5


def test_slow_readers_leave_threads_for_others(system: System, ledger: str) -> None:
    request = f"GET {ledger} HTTP/1.1\r\nHost: localhost\r\nAccept: text/csv\r\n\r\n".encode()
    slots = THREADS // 4
    with sockets(system, slots, request, window=4096) as readers:
        refused = eventually(lambda: overloaded(system, ledger), seconds=5, what="a refusal")
        assert refused.json()["code"] == "overloaded"
        assert int(refused.headers["Retry-After"]) >= 1
        assert is_alive(system) < PROMPT_S
        assert system.search(picture(1), CATALOG)["status"] == "succeeded"
        assert len(readers) == slots
        # They read nothing, so they are left, and the next one gets the whole ledger.
        whole = eventually(lambda: download(system, ledger), seconds=PATIENCE_S + 40, what="a slot")
    assert whole.count("\r\n") == ITEMS + 1


def download(system: System, ledger: str) -> str:
    """Return the whole ledger; empty if the download is refused."""
    told = system.http.get(ledger, headers={"Accept": "text/csv"})
    return told.text if told.status_code == 200 else ""


def overloaded(system: System, ledger: str) -> httpx.Response | None:
    """Begin a download; returns the answer if it is refused."""
    with system.http.stream("GET", ledger, headers={"Accept": "text/csv"}) as told:
        if told.status_code == 200:
            return None
        told.read()
        return told


def test_health_is_told_while_every_thread_hangs(system: System) -> None:
    redis = system.pids()["redis"]

    def ask(_: int) -> int:
        return httpx.get(f"{system.url}/v1/system", timeout=60).status_code

    with ThreadPoolExecutor(2 * THREADS) as pool:
        os.kill(redis, signal.SIGSTOP)
        try:
            hanging = [pool.submit(ask, n) for n in range(2 * THREADS)]
            time.sleep(0.5)  # every thread has taken one by then
            assert not any(each.done() for each in hanging)
            assert is_alive(system) < PROMPT_S
        finally:
            os.kill(redis, signal.SIGCONT)
        assert {each.result() for each in hanging} <= {200, 503}


def test_a_file_too_large_or_one_too_many_is_refused_before_it_is_sent(system: System) -> None:
    path = f"/v1/catalogs/{CATALOG}/imports"

    def head(length: int) -> bytes:
        return (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode()
        )

    with sockets(system, 1, head(5 << 30) + bytes(1000)) as (large,):
        told = answer(large)
        assert told.startswith(b"HTTP/1.1 413 ") and b'"archive_too_large"' in told
    one, other = head(4 << 30) + bytes(1000), head(65 << 20)
    with sockets(system, 1, one), sockets(system, 1, other) as (second,):
        told = answer(second)
        assert told.startswith(b"HTTP/1.1 503 ") and b'"overloaded"' in told
        assert b"retry-after: 1" in told.lower()
    one_more = archive([("b.jpg", picture(2))])
    eventually(lambda: system.http.post(path, content=one_more).status_code == 202, what="room")


def test_a_stop_answers_what_has_been_asked(system: System) -> None:
    """And who comes meanwhile waits for the next server."""
    web, search = system.pids()["web"], system.pids()["search"]
    body = json.dumps({"catalog": CATALOG, "image": b64(picture(77))})
    headers = {"Content-Type": "application/json", "Prefer": "wait=10"}
    with (
        ThreadPoolExecutor(1) as pool,
        closing(HTTPConnection("127.0.0.1", system.port, timeout=30)) as client,
    ):
        os.kill(search, signal.SIGSTOP)
        try:
            client.request("POST", "/v1/searches", body, headers)
            time.sleep(0.5)  # the request has arrived by then
            os.kill(web, signal.SIGTERM)
            time.sleep(0.5)  # the signal has been handled by then
            late = pool.submit(httpx.get, f"{system.url}/healthz", timeout=60)
            time.sleep(0.5)
            assert not late.done()
        finally:
            os.kill(search, signal.SIGCONT)
        told = client.getresponse()
        assert (told.status, json.load(told)["status"]) == (200, "succeeded")
        assert late.result().status_code == 200
    system.wait_restarted("web", web)
    eventually(system.api.ready, what="ready again")
