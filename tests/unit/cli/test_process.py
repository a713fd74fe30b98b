"""A child process: given up while it hangs, and a log file on a full disk."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from visearch.cli.client import until
from visearch.cli.process import Child
from visearch.cli.redis_server import READY_WORD, command
from visearch.settings import Settings
from visearch.store.redis.client import connect

# The children are forked before they become another program. In this process, unlike in the
# supervisor, other tests may have started JAX, which warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")

TALKING = "import time\nwhile True: print('a line', flush=True); time.sleep(0.01)"

READY_WHEN_TOLD = """
import sys, time
from pathlib import Path
while not Path(sys.argv[1]).exists():
    time.sleep(0.01)
print("The worker Is Ready", flush=True)
time.sleep(60)
"""


@contextmanager
def running(logs: Path, told: list[str]) -> Iterator[Child]:
    child = Child("talker", [sys.executable, "-c", TALKING], os.environ, logs, told.append)
    child.start()
    try:
        yield child
    finally:
        child.kill()
        child.wait(10)
        child.close()


def pid_of(child: Child) -> int:
    assert child.pid is not None
    return child.pid


def test_a_full_disk_under_the_log_is_told_once_and_stops_nobody(tmp_path: Path) -> None:
    log, told = tmp_path / "talker.log", list[str]()
    log.symlink_to("/dev/full")
    with running(tmp_path, told) as child:
        until(lambda: told, 10, "a word about the log", every_s=0.01)
        assert "No space left on device" in told[0]
        log.unlink()
        pid = pid_of(child)
        assert not child.wait(0.3), "it must not mind"
        child.watch()
        assert child.pid == pid
    assert len(told) == 1


def test_a_process_has_begun_when_it_says_so(tmp_path: Path) -> None:
    may_begin = tmp_path / "may-begin"
    argv = [sys.executable, "-c", READY_WHEN_TOLD, str(may_begin)]
    child = Child("worker", argv, os.environ, tmp_path, [].append, ready_word="is ready")
    child.start()
    try:
        pid = pid_of(child)
        assert not child.has_begun(pid) and not child.has_begun(None)
        may_begin.touch()
        until(lambda: child.has_begun(pid), 10, "its word", every_s=0.01)
        may_begin.unlink()
        child.kill()
        child.wait(10)
        until(lambda: child.watch() or child.pid not in (None, pid), 10, "another", every_s=0.05)
        assert not child.has_begun(child.pid), "its successor has not"
    finally:
        child.kill()
        child.wait(10)
        child.close()


def test_redis_has_begun_when_it_answers(tmp_path: Path) -> None:
    """Whatever redis-server this machine has, it says so in these words."""
    settings = Settings(home=tmp_path / "home")
    argv = command(settings)
    child = Child("redis", argv, os.environ, tmp_path, [].append, ready_word=READY_WORD)
    child.start()
    try:
        until(lambda: child.has_begun(pid_of(child)), 10, "its word", every_s=0.01)
        with connect(settings.redis) as client:
            assert client.ping()
    finally:
        child.kill()
        child.wait(10)
        child.close()


def test_a_process_that_was_given_up_is_killed_and_started_again(tmp_path: Path) -> None:
    told = list[str]()
    with running(tmp_path, told) as child:
        pid = pid_of(child)
        os.kill(pid, signal.SIGSTOP)
        child.give_up(pid, "is silent")

        def restarted() -> bool:
            child.watch()
            return child.pid not in (None, pid)

        until(restarted, 10, "another process", every_s=0.05)
        assert told[:2] == [
            "talker is silent; killed",
            "talker ended with status -9; restarting",
        ]
        young = pid_of(child)
        child.give_up(pid, "is silent")  # said too late: it is gone already
        child.watch()
        assert child.pid == young


def test_a_process_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    told = list[str]()
    child = Child("nobody", [str(tmp_path / "missing")], {}, tmp_path, told.append)
    child.watch()
    assert told[0] == "nobody cannot be started (No such file or directory); restarting"
