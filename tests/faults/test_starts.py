"""A worker that cannot start, or is told not to, ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from system import eventually, free_port

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("role", ["search", "embed"])
def test_a_worker_that_cannot_prepare_ends(role: str, tmp_path: Path) -> None:
    """Whoever watches it then starts it again."""
    weights = tmp_path / "encoder.safetensors"
    weights.write_bytes(b"no weights")
    done = subprocess.run(
        [sys.executable, "-m", "workers", role],
        env=environment(tmp_path, ENCODER=f"file:{weights}"),
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "start_failed" in done.stderr


@pytest.mark.parametrize("role", ["plan", "embed", "beat"])
def test_a_worker_that_waits_for_redis_ends_however_often_it_is_told(
    role: str, tmp_path: Path
) -> None:
    with (tmp_path / "log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "workers", role],
            env=environment(tmp_path, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0"),
            cwd=ROOT, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        wait_until_it_says(tmp_path / "log", "Connection refused")
        told_until = time.monotonic() + 0.5
        while time.monotonic() < told_until and worker.poll() is None:
            worker.terminate()
            time.sleep(0.0001)  # a signal that is pending already is not sent twice
        worker.wait(timeout=20)
    finally:
        worker.kill()
        worker.wait()


def environment(home: Path, **settings: str) -> dict[str, str]:
    """Return a worker's environment."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("VISEARCH_")}
    return clean | {f"VISEARCH_{k}": v for k, v in ({"HOME": str(home)} | settings).items()}


def wait_until_it_says(log: Path, word: str) -> None:
    eventually(lambda: word in log.read_text(), what=f"{word!r} in the log")
