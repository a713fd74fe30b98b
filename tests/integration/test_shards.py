"""A catalog in four shards: the answers of one, partial ones while a shard is away."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from system import System, archive, eventually, picture

ITEMS = 60


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A search worker that holds nothing, four shard workers; small generations."""
    home = tmp_path_factory.mktemp("shards") / "home"
    settings = {"compact_min": "20", "brute_force_limit": "10", "search_threads": "4"}
    running = System(home, shard_workers="4", **settings).start()
    files = [(f"red/p{i}.jpg" if i % 2 else f"p{i}.jpg", picture(i)) for i in range(ITEMS)]
    for name, shards in (("whole", 1), ("parts", 4)):
        running.create_catalog(name, shards=shards)
        running.finish(running.upload(name, archive(files)))
    yield running
    assert running.stop() == 0, running.output()


def search(system: System, catalog: str, seed: int, **fields: Any) -> dict[str, Any]:
    answer = system.search(picture(seed), catalog, **fields)
    assert answer["status"] == "succeeded", (answer["error"], answer)
    return answer


def ranking(answer: dict[str, Any]) -> list[tuple[str, float]]:
    return [(hit["product_id"], round(hit["score"], 5)) for hit in answer["results"]]


def state(system: System, name: str) -> dict[str, Any]:
    found = system.http.get("/v1/system").raise_for_status().json()["catalogs"]
    return next(dict(each) for each in found if each["name"] == name)


def built(system: System, name: str) -> bool:
    now = state(system, name)
    return bool(now["generation"]) and now["delta"] == 0 and now["refused"] == 0


def test_four_shards_answer_as_one(system: System) -> None:
    for name in ("whole", "parts"):  # both have the same, whenever they are fitted
        weights = {"general": 1, "kind": 1, "instance": 0.5}
        given = system.http.put(f"/v1/catalogs/{name}/ranking", json={"weights": weights})
        assert given.status_code == 200
    for ready in (False, True):
        if ready:
            eventually(lambda: built(system, "parts"), seconds=90, what="a generation in shards")
        for seed in range(0, ITEMS, 7):
            for fields in ({}, {"limit": "7", "offset": "5"}, {"filter": '{"folder": "red"}'}):
                one, four = (search(system, name, seed, **fields) for name in ("whole", "parts"))
                assert ranking(one) == ranking(four)
                assert one["total"] == four["total"]
                assert one["shards"] == {"asked": 1, "answered": 1}
                assert four["shards"] == {"asked": 4, "answered": 4}
    assert search(system, "parts", 3, group="true")["results"][0]["product_id"] == "red/p3"


def test_changes_reach_their_shards(system: System) -> None:
    gone = {"p2", "p4", "p6", "p8"}
    for name in gone:
        system.http.delete(f"/v1/catalogs/parts/products/{name}").raise_for_status()

    def seen() -> set[str]:
        answer = search(system, "parts", 2, limit="100")
        return {hit["product_id"] for hit in answer["results"]}

    eventually(lambda: not seen() & gone, what="four deletes")
    assert len(seen()) == ITEMS - 4


@pytest.mark.parametrize("away", [0, 2])
def test_a_shard_that_is_away_makes_partial_answers_and_is_seen(system: System, away: int) -> None:
    """Whichever is away, the others are heard: the first one asked, too."""
    whole = ranking(search(system, "parts", 9, limit="100"))
    pid = system.pids()[f"shard-{away}"]
    os.kill(pid, signal.SIGSTOP)
    try:
        start = time.monotonic()
        partial = search(system, "parts", 9, limit=str(90 + away))
        assert time.monotonic() - start < 5  # the deadline is 1 s; the machine may be busy
        assert partial["shards"] == {"asked": 4, "answered": 3}
        left = ranking(partial)
        assert 0 < len(left) < len(whole) and left == [hit for hit in whole if hit in left]
        assert partial["total"] == len(left)
        if away:  # the catalog in one shard is with shard 0
            assert search(system, "whole", 9)["shards"]["answered"] == 1
        eventually(
            lambda: state(system, "parts")["missing_shards"] == [away], what="the missing shard"
        )
        assert state(system, "parts")["serving"] == 0
        assert (state(system, "whole")["serving"] > 0) == (away > 0)
    finally:
        os.kill(pid, signal.SIGCONT)
    # Not remembered: the same question has its whole answer as soon as the shard is back.
    eventually(
        lambda: search(system, "parts", 9, limit=str(90 + away))["shards"]["answered"] == 4,
        what="the shard",
    )
    assert ranking(search(system, "parts", 9, limit="100")) == whole


def test_shards_are_decided_once(system: System) -> None:
    answer = system.http.put("/v1/catalogs/parts", json={"shards": 2})
    assert answer.status_code == 409 and "shards" in answer.json()["detail"]
    assert system.http.put("/v1/catalogs/many", json={"shards": 65}).status_code == 422
    assert system.http.get("/v1/catalogs/parts").json()["shards"] == 4
