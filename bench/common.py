"""What the benchmarks share: the pictures, percentiles, the machine's name, JSON out."""

from __future__ import annotations

import csv
import json
import os
import platform
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from visearch.cli.client import Client

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
    """Return the archive's pictures by path."""
    with zipfile.ZipFile(archive) as file:
        return {n: file.read(n) for n in file.namelist() if n.lower().endswith(PICTURES)}


def products(archive: Path) -> dict[str, str]:
    """Return the product of each picture by path: from the manifest, else from the path."""
    with zipfile.ZipFile(archive) as file:
        if "manifest.csv" not in file.namelist():
            return {name: name.rsplit(".", 1)[0] for name in file.namelist()}
        rows = list(csv.DictReader(file.read("manifest.csv").decode().splitlines()))
    return {path: row["id"] for row in rows for path in row["image"].split("|")}


def import_archive(client: httpx.Client, catalog: str, path: Path) -> Iterator[dict[str, Any]]:
    """Upload ``path`` into a new catalog; yields the import until it is over."""
    api = Client(client)
    api.ensure_catalog(catalog)
    yield from api.follow_import(api.upload(catalog, path))


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
