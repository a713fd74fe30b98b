"""The benchmarks run as `make bench` runs them, on a small scale."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from system import System

from visearch.demo import write_archive

ROOT = Path(__file__).parents[2]


def run(script: str, system: System, *options: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, f"bench/{script}.py", "--server", system.url, "--json", *options],
        cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_ingest_and_serving_are_measured(system: System, tmp_path: Path) -> None:
    drawn = tmp_path / "drawn.zip"
    write_archive(drawn, 20)
    ingest = run("ingest", system, "--archive", str(drawn), "--catalog", "bench")
    assert ingest["counts"]["searchable"] == 40
    assert ingest["ratio"] > 0
    size = ["--queries", "20", "--clients", "2", "--seconds", "1"]
    serve = run("serve", system, "--archive", str(drawn), "--catalog", "bench", *size)
    assert serve["rank1"] >= 0.8
    assert set(serve["states"]) == {"succeeded"}
    assert serve["errors"] == []
