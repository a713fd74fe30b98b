"""Query pictures made to break their reader: the search fails with why, and others go on."""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psutil
import pytest
import vulnerable
from system import System, archive, eventually, picture
from vulnerable import EATS, HANGS, KILLS

LIMIT_S = 5
MEMORY = 600 << 20
SIDE = 13_000


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system with vulnerable decoders that takes larger pictures than by default."""
    folder = tmp_path_factory.mktemp("queries")
    settings = {"decode_timeout_s": str(LIMIT_S), "max_image_pixels": str(SIDE * SIDE)}
    settings |= {"decoder_memory_bytes": str(MEMORY)}
    running = System(folder / "home", decoders="2", **settings)
    paths = [vulnerable.write(folder / "patch"), running.env.get("PYTHONPATH", "")]
    running.env["PYTHONPATH"] = ":".join(filter(None, paths))
    running.start()
    running.create_catalog("shop")
    running.finish(running.upload("shop", archive((f"p{i}.jpg", picture(i)) for i in range(20))))
    yield running
    assert running.stop() == 0, running.output()


def worker(system: System) -> psutil.Process:
    return psutil.Process(system.pids()["search"])


def decoders(system: System) -> list[psutil.Process]:
    """Both decoders, once one that is being replaced is there again."""
    worker = psutil.Process(system.pids()["search"])
    return eventually(
        lambda: (found := worker.children()) and len(found) == 2 and found, what="both decoders"
    )


@contextmanager
def shoppers(system: System) -> Iterator[list[Any]]:
    """Search for what is there, again and again; yields what did not succeed."""
    over, wrong = threading.Event(), list[Any]()

    def search_on() -> None:
        seed = 0
        while True:
            found = client.search(picture(seed), catalog="shop", limit=1)
            if found["status"] != "succeeded" or found["results"][0]["product_id"] != f"p{seed}":
                wrong.append(found)
            seed = (seed + 1) % 20
            if over.is_set():
                return

    with system.client() as client, ThreadPoolExecutor(1) as thread:
        searching = thread.submit(search_on)
        try:
            yield wrong
        finally:
            over.set()
        searching.result()


def test_a_query_that_takes_two_gigabytes_costs_the_worker_nothing(system: System) -> None:
    process = worker(system)
    assert system.search(picture(3), "shop")["status"] == "succeeded"
    before, over = process.memory_info().rss, threading.Event()

    def watch() -> int:
        most = 0
        while not over.wait(0.01):
            most = max(most, process.memory_info().rss)
        return most

    with ThreadPoolExecutor(1) as thread, shoppers(system) as wrong:
        watching = thread.submit(watch)
        for _ in range(2):
            found = system.search(bomb(), "shop")
            assert found["status"] == "failed", found
            assert (found["error"]["code"], found["error"]["status"]) == ("image_too_large", 413)
            assert "more memory" in found["error"]["detail"]
        over.set()
        most = watching.result()
    print(f"the search worker has grown by {(most - before) >> 20} MiB")
    assert most - before < 200 << 20
    assert not wrong
    assert process.is_running()


@pytest.mark.parametrize(
    ("mark", "code", "status"),
    [
        (KILLS, "decode_crashed", 422),
        (HANGS, "decode_timeout", 422),
        (EATS, "image_too_large", 413),
    ],
)
def test_a_query_that_breaks_its_decoder_fails_alone(
    system: System, mark: bytes, code: str, status: int
) -> None:
    process, before = worker(system), {each.pid for each in decoders(system)}
    with shoppers(system) as wrong:
        found = system.search(picture(1) + mark, "shop")
        assert found["status"] == "failed", found
        assert (found["error"]["code"], found["error"]["status"]) == (code, status)
        assert found["error"]["detail"].endswith(".")
    assert not wrong
    assert process.is_running()
    assert len({each.pid for each in decoders(system)} - before) == 1


def test_decoders_die_with_their_worker(system: System) -> None:
    """One of them hangs when its worker is killed alone, not with its group."""
    mine = decoders(system)
    files = {"image": ("q.jpg", picture(2) + HANGS)}
    asked = system.http.post("/v1/searches", files=files, data={"catalog": "shop"})
    assert asked.status_code == 202
    pid = system.pids()["search"]
    worker(system).kill()
    gone, alive = psutil.wait_procs(mine, timeout=10)
    assert len(gone) == 2 and not alive
    system.wait_restarted("search", pid)
    eventually(
        lambda: system.search(picture(3), "shop")["status"] == "succeeded",
        seconds=60,
        what="a search that succeeds again",
    )


def bomb() -> bytes:
    """A small TIFF within the limits: 32-bit grey, in which every row is the same stored one.

    To take its pixels (4 bytes each) out of Pillow and spread them takes as much again, and more.
    """
    strip = zlib.compress(bytes(4 * SIDE))
    numbers = {256: SIDE, 257: SIDE, 258: 32, 259: 8, 262: 1, 277: 1, 278: 1, 339: 3}
    after = 8 + 2 + 12 * (len(numbers) + 2) + 4
    entries = {tag: (1, number) for tag, number in numbers.items()}
    entries |= {273: (SIDE, after), 279: (SIDE, after + 4 * SIDE)}
    directory = b"".join(struct.pack("<HHII", tag, 4, *entries[tag]) for tag in sorted(entries))
    lists = struct.pack("<I", after + 8 * SIDE) * SIDE + struct.pack("<I", len(strip)) * SIDE
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries))
    return head + directory + bytes(4) + lists + strip
