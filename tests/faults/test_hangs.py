"""Processes that live and do nothing, and a disk that takes no file: `up` notices and goes on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from system import System, archive, eventually, picture

from visearch.cli.client import until
from visearch.cli.redis_server import READY_WORD
from visearch.contract import READY_LINE, WEB_READY_LINE
from visearch.store.redis import presence
from visearch.store.redis.client import connect

ROLES = ("search", "ingest", "beat")

STUCK = """
import sys, time
from celery import signals
from workers import loop
from workers.__main__ import main
loop.STUCK_S = 2.0
@signals.worker_ready.connect
def get_stuck(sender, **_):
    sender.timer.call_after(6, lambda: time.sleep(600))  # the hang
sys.argv = ["workers", "ingest"]
main()
"""
"""A worker whose loop is stuck some seconds after its start."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A running system that loses patience soon."""
    home = tmp_path_factory.mktemp("up") / "home"
    running = System(home, silence_limit_s="5").start()
    yield running
    assert running.stop() == 0, running.output()


def stop_group(system: System, role: str) -> int:
    """Stop a role's processes, as if they hung; returns the pid."""
    pid = system.pids()[role]
    os.killpg(pid, signal.SIGSTOP)
    return pid


def works(system: System, name: str) -> bool:
    """Import a picture and find it."""
    record = system.upload(system.create_catalog(name), archive([("p.jpg", picture(1))]))
    done = system.finish(record)
    eventually(lambda: system.search(picture(1), name)["results"], what="a hit")
    return bool(done["status"] == "succeeded")


def test_workers_that_hang_are_restarted(system: System) -> None:
    pids = {role: stop_group(system, role) for role in ROLES}
    for role, pid in pids.items():
        system.wait_restarted(role, pid)
    for role in ROLES:
        assert f"{role} has given no sign of life for " in system.output()
    assert works(system, "workers")


def ready_words(role: str, pid: int) -> tuple[str, str]:
    """Return what is in the line in which this process says that it has started."""
    special = {"redis": (READY_WORD, f"{pid}:m"), "web": (WEB_READY_LINE, f"pid={pid}")}
    return special.get(role, (READY_LINE, f".{pid}."))


@pytest.mark.parametrize("role", ["plan", "beat", "redis", "web"])
def test_what_hangs_as_soon_as_it_has_begun_is_restarted(system: System, role: str) -> None:
    """`up` has not heard it: Redis has lost a worker's only heartbeat before it was looked for.

    Without its word it would be given the time that a start may take.
    """
    log, old = system.home / "logs" / f"{role}.log", system.kill(role)
    system.wait_restarted(role, old)
    pid = system.pids()[role]
    begun = ready_words(role, pid)

    def is_ready() -> bool:
        lines = log.read_text().lower().splitlines()
        return any(all(word in line for word in begun) for line in lines)

    until(is_ready, 60, f"the start of {role}", every_s=0.005)
    stop_group(system, role)
    if role not in ("redis", "web"):
        with connect(system.settings.redis) as client:
            client.flushall()
    system.wait_restarted(role, pid)
    assert works(system, f"begun-{role}")


def test_a_worker_that_cannot_end_is_restarted(system: System) -> None:
    """Its processes are stopped, and it waits for them."""
    pid = system.pids()["plan"]
    children = psutil.Process(pid).children()
    assert children
    for child in children:
        child.suspend()
    os.kill(pid, signal.SIGTERM)
    system.wait_restarted("plan", pid)
    assert "plan was told to end " in system.output()
    eventually(lambda: not any(child.is_running() for child in children), what="their end")
    assert works(system, "ends")


@pytest.mark.parametrize("role", ["web", "redis"])
def test_a_server_that_hangs_is_restarted(system: System, role: str) -> None:
    system.wait_restarted(role, stop_group(system, role))
    assert f"{role} has given no sign of life for " in system.output()
    eventually(system.api.ready, seconds=60, what="a system that is ready again")
    assert works(system, role)


def test_a_worker_whose_loop_is_stuck_falls_silent(system: System, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with out.open("wb") as log:
        worker = subprocess.Popen([sys.executable, "-c", STUCK], env=system.env, stderr=log)
    client = connect(system.settings.redis)

    def beats() -> bool:
        return any(f".{worker.pid}." in name for name in presence.alive(client))

    try:
        eventually(beats, seconds=60, what="a heartbeat")
        eventually(lambda: not beats(), seconds=60, what="silence")
        assert worker.poll() is None, out.read_text()
        assert "loop_stuck" in out.read_text()
    finally:
        worker.kill()
        worker.wait()
        client.close()


def test_a_pids_file_that_cannot_be_written_stops_nobody(system: System) -> None:
    before, pids = system.pids(), system.home / "pids"

    def replaced() -> bool:
        pids.unlink(missing_ok=True)
        with contextlib.suppress(FileExistsError):  # written again meanwhile
            pids.mkdir()
        return pids.is_dir()

    eventually(replaced, what="a folder in the place of the file")
    try:
        eventually(lambda: "going on without it" in system.output(), what="a word about it")
        os.killpg(before["plan"], signal.SIGKILL)
        eventually(lambda: "plan ended with status -9" in system.output(), what="its restart")
    finally:
        pids.rmdir()
    eventually(pids.is_file, what="the file")
    system.wait_restarted("plan", before["plan"])
    now = system.pids()
    assert system.output().count("going on without it") == 1
    assert {role for role in now if now[role] != before[role]} == {"plan"}
    assert works(system, "pids")
