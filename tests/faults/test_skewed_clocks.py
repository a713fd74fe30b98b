"""Machines whose clocks differ by a minute: searches, imports and maintenance go on.

``SKEWS`` lists by how many seconds; `make faults` tries both directions.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from system import System, archive, eventually, free_port, picture

SKEWED = Path(__file__).parent / "skewed"
ROLES = ("search", "plan", "ingest", "maintain")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    running = System(tmp_path_factory.mktemp("skew") / "home").start()
    yield running
    assert running.stop() == 0, running.output()


@contextmanager
def process(system: System, skew: str, module: str, *arguments: str, **env: str) -> Iterator[None]:
    """Run one more process of the system, on a machine whose clock is off."""
    path = os.pathsep.join([str(SKEWED), os.environ.get("PYTHONPATH", "")])
    fake = {"TEST_SKEW_S": skew, "PYTHONPATH": path}
    log = system.home / "logs" / f"skewed-{'-'.join(arguments) or 'web'}.log"
    with log.open("ab") as out:
        running = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env={**os.environ, **system.settings.environ(), **fake, **env},
            stdout=out,
            stderr=out,
        )
        try:
            yield
        finally:
            running.terminate()
            running.wait(60)


@pytest.mark.parametrize("skew", os.environ.get("SKEWS", "60").split())
def test_everything_goes_on(system: System, skew: str) -> None:
    catalog = system.create_catalog(f"skew{skew}")
    port = free_port()
    with ExitStack() as machines:
        for role in ROLES:
            machines.enter_context(process(system, skew, "workers", role))
        machines.enter_context(process(system, skew, "web", VISEARCH_PORT=str(port)))
        twice = 2 * len(ROLES)
        eventually(lambda: workers(system) == twice, seconds=120, what="the other workers")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            eventually(lambda: answers(http), what="the skewed web server")
            files = archive([(f"p{i}.jpg", picture(i)) for i in range(150)])
            path = f"/v1/catalogs/{catalog}/imports"
            accepted = http.post(path, content=files).raise_for_status().json()
            done = system.finish(accepted)
            assert (done["status"], done["counts"]["searchable"]) == ("succeeded", 150)
            for seed in range(40):  # some are accepted here and searched there
                client = (http, system.http)[seed % 2]
                found = client.post(
                    "/v1/searches",
                    params={},
                    files={"image": ("p.jpg", picture(seed))},
                    data={"catalog": catalog, "limit": "1"},
                    headers={"Prefer": "wait=10"},
                ).json()
                assert found["status"] == "succeeded", found
            ready = system.http.get("/readyz").json()
            assert ready["ready"] and "clock" in " ".join(ready["troubles"])


def workers(system: System) -> int:
    found = system.http.get("/v1/system").json()["workers"]
    return sum(worker["role"] in ROLES for worker in found)


def answers(http: httpx.Client) -> bool:
    try:
        return http.get("/healthz").status_code == 200
    except httpx.HTTPError:
        return False
