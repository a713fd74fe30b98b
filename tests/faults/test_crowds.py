"""A thousand searches at once: each has its end, memory is bounded, and it is over in seconds."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import httpx
import psutil
from loops import run
from system import System, archive, eventually, picture

CROWD = 1000
RECOVERY_S = 5.0
MOST_GROWTH = 300 << 20
SEEDS = range(50)


async def ask(http: httpx.AsyncClient, number: int) -> str:
    """Search by a picture of one's own; returns how it ended."""
    answer = await http.post(
        "/v1/searches",
        files={"image": ("q.jpg", picture(number, side=96))},
        data={"catalog": "crowd", "limit": "1"},
        headers={"Prefer": "wait=10"},
    )
    while answer.status_code in (200, 202):
        body = answer.json()
        if body["status"] not in ("queued", "running"):
            return str(body["status"])
        await asyncio.sleep(0.5)
        answer = await http.get(f"/v1/searches/{body['id']}")
    assert answer.status_code == 503, answer.text
    assert answer.headers["Retry-After"]
    return str(answer.json()["code"])


async def crowd(url: str) -> Counter[str]:
    """Search a thousand times at once."""
    limits = httpx.Limits(max_connections=CROWD)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as http:
        return Counter(await asyncio.gather(*(ask(http, number) for number in range(CROWD))))


def memory(system: System) -> dict[str, int]:
    """Return the resident bytes of each role, with its children."""
    pids = system.pids()
    return {
        role: sum(
            each.memory_info().rss
            for each in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))
        )
        for role, pid in pids.items()
    }


def timed_search(system: System, seed: int) -> float:
    """Search as a single user; returns the seconds it took."""
    start = time.monotonic()
    assert system.search(picture(seed, side=96), "crowd", limit=1)["status"] == "succeeded"
    return time.monotonic() - start


def test_a_thousand_searches_at_once(system: System) -> None:
    system.create_catalog("crowd")
    files = [(f"p{seed}.jpg", picture(seed, side=96)) for seed in SEEDS]
    system.finish(system.upload("crowd", archive(files)))
    eventually(lambda: system.search(picture(1), "crowd")["results"], what="a hit")
    before, pids = memory(system), system.pids()
    start = time.monotonic()
    seen = run(crowd(system.url))
    spent = time.monotonic() - start
    eventually(lambda: timed_search(system, 7001) < 1, seconds=RECOVERY_S, what="a quick search")
    after = memory(system)
    grown = {role: (after[role] - before[role]) >> 20 for role in before}
    print(f"{CROWD} at once: {dict(seen)} in {spent:.1f} s; grown by MiB: {grown}")
    assert seen.keys() <= {"succeeded", "overloaded", "expired"}, seen
    assert seen["succeeded"] and sum(seen.values()) == CROWD
    assert system.pids() == pids
    assert all(after[role] - before[role] < MOST_GROWTH for role in before), grown
