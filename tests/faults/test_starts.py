"""A worker that cannot start ends, so that whoever watches it starts it again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("role", ["search", "embed"])
def test_a_worker_that_cannot_prepare_ends(role: str, tmp_path: Path) -> None:
    weights = tmp_path / "encoder.safetensors"
    weights.write_bytes(b"no weights")
    clean = {k: v for k, v in os.environ.items() if not k.startswith("VISEARCH_")}
    settings = {"HOME": str(tmp_path), "ENCODER": f"file:{weights}"}
    done = subprocess.run(
        [sys.executable, "-m", "workers", role],
        env=clean | {f"VISEARCH_{name}": value for name, value in settings.items()},
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "start_failed" in done.stderr
