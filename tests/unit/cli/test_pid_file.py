"""The file of process ids: written, and done without where that fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from visearch.cli.pid_file import PidFile
from visearch.errors import SettingsError


def test_what_was_written_is_read_by_the_next_supervisor(tmp_path: Path) -> None:
    told = list[str]()
    pids = PidFile(tmp_path, told.append)
    assert pids.left_over() == []
    pids.write({"web": os.getpid()})
    assert (tmp_path / "pids").read_text() == f"web {os.getpid()}\n"
    assert pids.left_over() == [], "a process of another home"
    pids.remove()
    assert (told, [*tmp_path.iterdir()]) == ([], [])


def test_a_file_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    told = list[str]()
    pids = PidFile(tmp_path, told.append)
    (tmp_path / "pids").mkdir()
    for pid in (1, 2):
        pids.write({"web": pid})
    assert len(told) == 1 and "going on without it" in told[0]
    (tmp_path / "pids").rmdir()
    pids.write({"web": 3})
    assert (tmp_path / "pids").read_text() == "web 3\n"
    assert len(told) == 1


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pids").mkdir()
    with pytest.raises(SettingsError, match="Cannot read "):
        PidFile(tmp_path, print).left_over()
