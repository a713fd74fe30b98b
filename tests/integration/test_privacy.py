"""Other users of the machine: they can read nothing of what a system keeps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from system import System, eventually


@pytest.mark.usefixtures("shop")
def test_nobody_else_can_read_what_is_kept(system: System) -> None:
    names = {"visearch.db", "visearch.db-wal", "pids", "logs", "redis", "blobs"}
    eventually(lambda: names <= {*os.listdir(system.home)}, what="files")
    given = system.home / "cache" / "graphs"  # made by the tests before the start
    found = {system.home, *system.home.rglob("*")} - {given.parent, given, *given.rglob("*")}
    assert [path for path in found if is_open(path)] == []


def is_open(path: Path) -> bool:
    try:
        return not path.is_symlink() and bool(path.stat().st_mode & 0o077)
    except FileNotFoundError:  # a file that is replaced all the time
        return False
