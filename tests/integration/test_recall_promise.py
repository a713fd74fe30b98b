"""A catalog promises a recall; its index is built to keep it, and again when it changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from system import System, archive, eventually, picture

N = 320


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that builds a tree over few pictures."""
    settings = {"compact_min": "50", "compact_ratio": "0.01", "brute_force_limit": "200"}
    running = System(tmp_path_factory.mktemp("recall") / "home", **settings).start()
    yield running
    assert running.stop() == 0, running.output()


def catalog(system: System) -> dict[str, Any]:
    return dict(system.http.get("/v1/catalogs/shop").raise_for_status().json())


def served(system: System, seed: int) -> str | None:
    """Search, and return the generation that answered."""
    generation: str | None = system.search(picture(seed), "shop")["index"]["generation"]
    return generation


def test_the_promise_is_kept_and_may_change(system: System) -> None:
    system.create_catalog("shop", target_recall=0.9)
    assert catalog(system)["index"] is None
    files = [(f"p{i}.jpg", picture(i)) for i in range(N)]
    system.finish(system.upload("shop", archive(files)))
    eventually(lambda: (catalog(system)["index"] or {}).get("count") == N, seconds=60, what="build")
    first = catalog(system)["index"]
    assert first["target_recall"] == 0.9 and first["recall"] >= 0.9
    eventually(lambda: served(system, 9) == first["id"], what="the searching worker")

    answer = system.http.put("/v1/catalogs/shop", json={"target_recall": 1.0})
    assert answer.status_code == 200 and answer.json()["target_recall"] == 1.0
    eventually(lambda: catalog(system)["index"]["id"] != first["id"], seconds=60, what="rebuild")
    second = catalog(system)["index"]
    assert second["target_recall"] == 1.0 and second["recall"] > 0.999
    found = system.search(picture(7), "shop")
    assert found["results"][0]["product_id"] == "p7"
    # The answer that the former index gave is not given again.
    eventually(lambda: served(system, 9) == second["id"], what="the searching worker")


@pytest.mark.parametrize("target", [0.5, 1.5, "high"])
def test_a_promise_nobody_can_keep_is_refused(system: System, target: object) -> None:
    answer = system.http.put("/v1/catalogs/other", json={"target_recall": target})
    assert answer.status_code == 422 and "target_recall" in answer.text
