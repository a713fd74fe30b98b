"""A preview that nobody gives, or that takes too long: the request ends, and the file is kept."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from system import System, archive, picture


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system whose previews may take two seconds."""
    running = System(tmp_path_factory.mktemp("impatient") / "home", preview_timeout_s="2")
    yield running.start()
    assert running.stop() == 0, running.output()


def test_a_worker_that_does_not_answer(impatient: System) -> None:
    catalog = impatient.create_catalog("late")
    path = f"/v1/catalogs/{catalog}/imports"
    data = archive([("a.jpg", picture(1))])
    planner = impatient.pids()["plan"]
    os.kill(planner, signal.SIGSTOP)
    try:
        late = impatient.http.post(path, params={"dry_run": "true"}, content=data)
    finally:
        os.kill(planner, signal.SIGCONT)
    problem = late.json()
    assert (late.status_code, problem["code"]) == (503, "too_slow")
    assert "takes longer than 2 seconds" in problem["detail"]
    # What was asked is not begun any more, and the file can still be imported.
    again = impatient.http.post(path, params={"dry_run": "true", "upload": problem["upload"]})
    assert again.json()["counts"]["add"] == 1
    record = impatient.http.post(path, params={"upload": problem["upload"]}).json()
    assert impatient.finish(record)["status"] == "succeeded"
