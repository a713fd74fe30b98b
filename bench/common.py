"""What the benchmarks share: the pictures, percentiles, the machine's name, JSON out."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

PICTURES = (".jpg", ".jpeg", ".png", ".webp")


def archive_path(given: str | None) -> Path:
    """Return the archive to measure with: the given one, else 600 drawn pictures."""
    if given:
        return Path(given)
    from visearch.demo import write_archive

    path = Path(tempfile.gettempdir()) / "visearch-bench-drawn.zip"
    if not path.exists():
        write_archive(path)
    return path


def pictures(archive: Path) -> dict[str, bytes]:
    """Return the archive's pictures by product id, as an import without manifest names them."""
    with zipfile.ZipFile(archive) as file:
        names = [n for n in file.namelist() if n.lower().endswith(PICTURES)]
        return {name.rsplit(".", 1)[0]: file.read(name) for name in names}


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return p50, p95, p99 and the maximum, rounded to 0.1."""
    points = {f"p{q}": float(np.percentile(values, q)) for q in (50, 95, 99)}
    return {name: round(value, 1) for name, value in {**points, "max": max(values)}.items()}


def machine() -> dict[str, Any]:
    """Name what was measured on."""
    return {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def show(result: dict[str, Any], *, as_json: bool) -> None:
    """Print the result: one JSON object as the last line, or readable lines."""
    if as_json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:>24}: {value}")
    sys.stdout.flush()
