"""A small disk for tests: a file system of a few megabytes, full when a test wants it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

BALLAST = "ballast"


@contextlib.contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[None]:
    """Mount a file system of this size at ``folder`` for the time of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={megabytes}m,mode=0700,uid={os.getuid()},gid={os.getgid()}"
    command = ["mount", "-t", "tmpfs", "-o", options, "visearch-test", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("NO MOUNTS: only root can mount the small disk of this test")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def full(folder: Path, *, but: int = 0) -> Iterator[None]:
    """Leave no byte free on the disk of ``folder``, or about ``but`` bytes, for the block."""
    ballast = folder / BALLAST
    fill(ballast)
    os.truncate(ballast, ballast.stat().st_size - but)
    try:
        yield
    finally:
        ballast.unlink()


def fill(ballast: Path) -> None:
    """Write to a file until the disk is full."""
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
