"""A child process is bounded: an allocation above its share fails."""

from __future__ import annotations

import subprocess
import sys

ASKS = """
import resource
from visearch import confine
{before}
confine.limit_memory(500 << 20)
print(resource.getrlimit(resource.RLIMIT_AS)[0] >> 20)
try:
    bytearray(600 << 20)
except MemoryError:
    print("refused")
"""


def run(before: str) -> list[str]:
    program = ASKS.format(before=before)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.split()


def test_memory_above_the_limit_is_refused() -> None:
    assert run("") == ["500", "refused"]


def test_a_limit_that_is_there_already_is_not_raised() -> None:
    lower = "resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))"
    assert run(lower) == ["400", "refused"]
