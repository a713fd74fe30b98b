"""A fresh Python whose peak memory is its own, for the tests that bound it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[3]

FreshPython = Callable[..., list[str]]


@pytest.fixture
def fresh_python() -> FreshPython:
    """Run a script with warnings as errors; returns the words it printed.

    A process inherits the peak of the one it was started from (Linux ``ru_maxrss``), and a
    test run is large. The shell in between is small, and forks instead of becoming Python
    because something is left for it to do afterwards.
    """

    def run(script: str, *args: str) -> list[str]:
        python = [sys.executable, "-W", "error", "-c", textwrap.dedent(script), *args]
        command = ["sh", "-c", '"$@"; exit $?', "sh", *python]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=REPO, timeout=120
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.split()

    return run
