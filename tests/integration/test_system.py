"""The operator's view tells what is going on."""

from __future__ import annotations

import os
import signal
from typing import Any

from system import System, archive, eventually, picture

import visearch


def view(system: System) -> dict[str, Any]:
    return dict(system.http.get("/v1/system").raise_for_status().json())


def state(system: System, name: str) -> dict[str, Any]:
    (found,) = [each for each in view(system)["catalogs"] if each["name"] == name]
    return dict(found)


def test_roles_catalogs_and_versions_are_seen(system: System) -> None:
    system.create_catalog("seen")
    system.finish(system.upload("seen", archive([(f"{i}.jpg", picture(i)) for i in range(9)])))
    eventually(lambda: state(system, "seen")["delta"] == 9, what="the worker's next beat")
    found = state(system, "seen")
    assert (found["products"], found["images"], found["generation"]) == (9, 9, None)
    assert (found["serving"], found["refused"], found["target_recall"]) == (1, 0, 0.98)
    assert found["fresh_to"]
    roles = {worker["role"]: worker for worker in view(system)["workers"]}
    assert set(roles) == {"search", "plan", "ingest", "embed", "maintain", "beat"}
    assert roles["search"]["queues"] == ["search"] and roles["search"]["encoder"]
    assert roles["search"]["index_generation"]["seen"] is None
    assert view(system)["versions"]["visearch"] == visearch.__version__


def test_a_queue_that_nobody_serves_grows_old(system: System) -> None:
    pid = system.pids()["search"]
    os.kill(pid, signal.SIGSTOP)
    try:
        for seed in range(4):  # the stopped worker's connection may take one away
            files = {"image": ("q.jpg", picture(seed))}
            system.http.post("/v1/searches", files=files, data={"catalog": "seen"})
        queue = view(system)["queues"]["search"]
        assert queue["depth"] + queue["reserved"] >= 3
        eventually(
            lambda: (view(system)["queues"]["search"]["oldest_age_s"] or 0) > 0.5, what="age"
        )
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: view(system)["queues"]["search"]["depth"] == 0, what="an empty queue")
