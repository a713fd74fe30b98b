"""Scratch folders: gone at their end, kept from others while in use, swept after a kill."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from visearch.scratch import scratch

BUILDER = """
import sys
from pathlib import Path
from visearch.scratch import scratch

with scratch(Path(sys.argv[1])) as folder:
    (folder / "half").write_bytes(b"written")
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_folder_goes_with_its_block_even_if_that_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with scratch(tmp_path / "build") as folder:
            (folder / "deep").mkdir()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not list((tmp_path / "build").iterdir())


def test_what_a_killed_process_left_goes_and_what_is_in_use_stays(tmp_path: Path) -> None:
    with scratch(tmp_path) as mine:
        command = [sys.executable, "-c", BUILDER, str(tmp_path)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe) as other:
            assert other.stdout is not None and other.stdout.readline() == b"ready\n"
            with scratch(tmp_path) as third:
                assert len({mine, third, *tmp_path.iterdir()}) == 3, "all three are at work"
            other.kill()
        (left,) = set(tmp_path.iterdir()) - {mine}
        assert (left / "half").exists()
        with scratch(tmp_path) as last:
            assert {*tmp_path.iterdir()} == {mine, last}
    assert not list(tmp_path.iterdir())
