"""What was acknowledged survives a power cut: files, folders, then the commit that names them.

The order is read from the system calls of a real process.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

PROGRAM = """
import os, sys
from pathlib import Path
from manual_system import ManualSystem
from system import archive, picture

manual = ManualSystem(Path(sys.argv[1]), chunk_items=3)
manual.catalog("c")
files = archive([(f"p{i}.jpg", picture(i, side=64)) for i in range(4)])
os.write(1, b"BEGIN")
manual.accept("c", files)
os.write(1, b"FILE ACCEPTED")
manual.put("c", "x", picture(9, side=64))
os.write(1, b"PRODUCT ACCEPTED")
manual.drain()
os.write(1, b"DONE")
"""
STRACE = (
    *("strace", "-f", "-y", "-s", "40"),
    *("-e", "trace=write,pwrite64,fsync,fdatasync,rename,renameat,renameat2"),
)
CALL = re.compile(
    r'(?P<name>\w+)\((?:\d+<(?P<path>[^>]*)>|"(?P<old>[^"]*)"|AT_FDCWD[^,]*, "(?P<at>[^"]*)")'
    r'(?:, (?:AT_FDCWD[^,]*, )?"(?P<second>[^"]*)")?'
)


class Call(NamedTuple):
    """A system call on a file; ``second`` is the new name of a rename, or what is written."""

    name: str
    path: str
    second: str


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    """What a process does to its disk while it accepts a file and a product, and works on them."""
    assert shutil.which("strace"), "install strace"
    folder = tmp_path_factory.mktemp("power")
    home, trace = folder / "home", folder / "trace"
    here = Path(__file__).parent
    subprocess.run(
        [*STRACE, "-o", str(trace), sys.executable, "-c", PROGRAM, str(home)],
        check=True,
        timeout=200,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{here}:{here.parent}:{here.parents[1]}"},
        stdout=subprocess.DEVNULL,
    )
    found = (CALL.search(line) for line in trace.read_text().splitlines())
    every = [
        Call(m["name"], m["path"] or m["old"] or m["at"] or "", m["second"] or "")
        for m in found
        if m is not None
    ]
    (begin,) = (i for i, call in enumerate(every) if call.second == "BEGIN")
    (end,) = (i for i, call in enumerate(every) if call.second == "DONE")
    return every[begin : end + 1]


def index_of(calls: list[Call], said: str) -> int:
    (found,) = (i for i, call in enumerate(calls) if call.second == said)
    return found


def synced(calls: list[Call], path: str) -> list[int]:
    return [i for i, c in enumerate(calls) if c.name in ("fsync", "fdatasync") and c.path == path]


def test_every_blob_is_on_the_disk_before_a_commit_may_name_it(calls: list[Call]) -> None:
    renames = [i for i, call in enumerate(calls) if call.name.startswith("rename")]
    folders = {Path(calls[i].second).parent.name for i in renames}
    assert folders == {"mark", "uploads", "pictures", "thumbnails", "pixels", "segments"}
    commits = [i for i, c in enumerate(calls) if c.name == "pwrite64" and c.path.endswith("-wal")]
    for i in renames:
        part, blob = calls[i].path, calls[i].second
        next_commit = min(c for c in commits if c > i)
        content = [s for s in synced(calls, part) + synced(calls, blob) if s < next_commit]
        name = [s for s in synced(calls, str(Path(blob).parent)) if i < s < next_commit]
        assert content and name, blob


@pytest.mark.parametrize("said", ["FILE ACCEPTED", "PRODUCT ACCEPTED", "DONE"])
def test_every_commit_is_on_the_disk_before_anyone_is_told(calls: list[Call], said: str) -> None:
    told = index_of(calls, said)
    (wal,) = {call.path for call in calls if call.path.endswith("-wal")}
    written = [
        i for i, c in enumerate(calls) if c.name == "pwrite64" and c.path == wal and i < told
    ]
    assert [s for s in synced(calls, wal) if max(written) < s < told]
