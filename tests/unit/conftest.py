"""Hypothesis profiles, and a fresh Python whose peak memory is its own.

The profile is quick by default; ``HYPOTHESIS_PROFILE=index-thorough`` runs longer.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "index-quick",
    max_examples=100,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("index-thorough", settings.get_profile("index-quick"), max_examples=3000)

REPO = Path(__file__).resolve().parents[2]

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
