"""When a silence, or a farewell, is too long: of one process, told by looks."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from system import eventually, free_port

from visearch import listener
from visearch.cli.process import Child
from visearch.cli.watchdog import Farewell, Silence, Watchdog
from visearch.settings import Settings

LIMIT_S, START_S = 30.0, 300.0


def looks(silence: Silence, *seen: tuple[float, int | None, bool | None]) -> float | None:
    """Look at these times; returns what the last look says."""
    found = None
    for at, pid, sign in seen:
        found = silence.look(pid, sign, at)
    return found


@pytest.mark.parametrize(
    ("seen", "too_long"),
    [
        (((0, 1, True), (10, 1, False), (20, 1, False), (31, 1, False)), 31),
        (((0, 1, True), (10, 1, False), (20, 1, False), (29, 1, False)), None),
        # The supervisor slept: one look tells nothing.
        (((0, 1, True), (100, 1, False)), None),
        # A sign, or a Redis that cannot be asked, begins it anew.
        (((0, 1, True), (10, 1, False), (20, 1, True), (31, 1, False), (45, 1, False)), None),
        (((0, 1, True), (20, 1, None), (30, 1, False), (40, 1, False), (49, 1, False)), None),
        # One that has not answered yet may take longer, also while nobody can be asked.
        (((0, 1, False), (100, 1, False), (200, 1, False), (299, 1, False)), None),
        (((0, 1, False), (100, 1, False), (200, 1, False), (301, 1, False)), 301),
        (((0, 1, None), (10, 1, False), (20, 1, False), (45, 1, False)), None),
        # The successor starts anew.
        (((0, 1, True), (10, 2, False), (20, 2, False), (60, 2, False)), None),
        (((0, 1, True), (10, None, False), (20, None, False), (60, None, False)), None),
    ],
)
def test_a_silence_is_too_long(
    seen: tuple[tuple[float, int | None, bool | None], ...], too_long: float | None
) -> None:
    assert looks(Silence(LIMIT_S, START_S), *seen) == too_long


@pytest.mark.parametrize("begun_at", [0, 1])
def test_one_that_has_begun_is_not_starting_though_nobody_has_heard_it(begun_at: int) -> None:
    """It was stopped before the first look, and Redis has forgotten it since."""
    silence = Silence(LIMIT_S, START_S)
    found = [
        silence.look(1, sign, at, has_begun=number >= begun_at)
        for number, (at, sign) in enumerate([(0, False), (10, None), (20, False), (30, False)])
    ]
    assert found == [None] * 4
    assert silence.look(1, False, 41.0, has_begun=True) == 31
    assert silence.look(2, False, 300.0) is None, "its successor starts"


def test_one_that_has_begun_at_last_is_not_blamed_for_its_start() -> None:
    """It is ready, and its first heartbeat is on its way."""
    silence = Silence(LIMIT_S, START_S)
    assert [silence.look(1, False, at) for at in (0.0, 100.0, 200.0)] == [None] * 3
    late = [silence.look(1, False, at, has_begun=True) for at in (201.0, 210.0, 220.0, 231.0)]
    assert late == [None] * 4
    assert silence.look(1, False, 232.0, has_begun=True) == 31


@pytest.mark.parametrize(
    ("seen", "too_long"),
    [
        (((0, 1, False), (10, 1, True), (41, 1, True)), 31),
        (((0, 1, False), (10, 1, True), (40, 1, True)), None),
        (((0, 1, True), (100, 2, True)), None),
        (((0, 1, True), (100, None, False), (200, 2, False)), None),
        (((0, 1, True), (20, 1, False), (40, 1, True), (60, 1, True)), None),
    ],
)
def test_a_farewell_is_too_long(
    seen: tuple[tuple[float, int | None, bool], ...], too_long: float | None
) -> None:
    farewell, found = Farewell(LIMIT_S), None
    for at, pid, is_leaving in seen:
        found = farewell.look(pid, is_leaving, at)
    assert found == too_long


HANGS_SOON = """
import socket, sys, time
web = socket.socket(fileno=int(sys.argv[1]))
time.sleep(2)
client, _ = web.accept()
client.recv(4096)
client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
client.close()
time.sleep(600)
"""
"""A web server that takes a while to start, and hangs as soon as it has answered once."""


@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # as in test_process.py
@pytest.mark.parametrize("asked_before", [False, True])
def test_web_that_hangs_at_once_has_been_heard(tmp_path: Path, asked_before: bool) -> None:
    """Its first answer is for the watchdog, whose question has waited; so it is not starting."""
    home = {"VISEARCH_HOME": str(tmp_path), "VISEARCH_PORT": str(free_port())}
    settings = Settings.from_env(home | {"VISEARCH_SILENCE_LIMIT_S": "1"})
    told: list[str] = []
    with listener.listen(settings) as door:
        fd = door.fileno()
        command = [sys.executable, "-c", HANGS_SOON, str(fd)]
        web = Child("web", command, {}, tmp_path, told.append, descriptors=[fd])
        watchdog = Watchdog(settings, redis=[], web=[web], workers=[])
        if asked_before:  # as where it follows one that has died
            watchdog.start()
            time.sleep(0.5)
        web.start()
        if not asked_before:
            watchdog.start()
        pid = web.pid
        try:
            eventually(lambda: web.watch() or web.pid != pid, seconds=20, what="its restart")
        finally:
            watchdog.stop()
            web.kill()
            web.wait(5)
            web.close()
    assert told[0].startswith("web has given no sign of life for ")
