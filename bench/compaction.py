"""Compaction: what changes since the last generation cost each search, and what a rebuild costs.

A search scans every vector added since the generation was built; a build takes the same time
however much has changed. At q searches and w changes per second, building after every d changes
costs q · (slope · d / 2) + w · build / d seconds of computing per second, which is lowest at
d = √(2 · w · build / (q · slope)).

    python bench/compaction.py --counts 10000 100000 1000000 --json
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import machine, show
from index_vectors import clustered

from visearch.index import LiveIndex, open_generation, write

QUERIES = 200
SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Changes since a generation was built, as shares of its size."""
SEARCHES = 65
"""Per second: what one machine with two cores serves (docs/benchmarks.md)."""
CHANGES = (0.1, 1.0, 10.0, 100.0)
"""Changes per second."""


def build(vectors: np.ndarray, folder: Path) -> tuple[LiveIndex, float]:
    """Return an index on a new generation of ``vectors``, and how long that took."""
    keys = np.arange(len(vectors), dtype=np.int64)
    start = time.perf_counter()
    write(
        folder,
        vectors,
        keys,
        id="bench",
        catalog=1,
        revision=1,
        fingerprint="bench",
        metric="cosine",
        threads=1,
    )
    seconds = time.perf_counter() - start
    return LiveIndex.on(open_generation(folder, fingerprint="bench")), seconds


def search_ms(index: LiveIndex, queries: np.ndarray) -> float:
    """Return the median milliseconds of a search for ten neighbours."""
    times = []
    for query in queries:
        start = time.perf_counter()
        index.search(query, 10)
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e3


def measure(count: int) -> dict[str, Any]:
    """Measure one size; half of the changes are additions, half are replacements."""
    most = int(count * SHARES[-1])
    drawn = clustered(count + most + QUERIES, 256)
    base, added, queries = np.split(drawn, [count, count + most])
    with tempfile.TemporaryDirectory() as scratch:
        index, seconds = build(base, Path(scratch) / "generation")
        cost = []
        for share in SHARES:
            changed = int(count * share)
            keys = np.arange(count, count + changed, dtype=np.int64)
            gone = np.arange(0, changed // 2, dtype=np.int64)
            live = index.apply(keys, added[:changed], gone, revision=2)
            cost.append((changed, search_ms(live, queries)))
    changes, times = np.array(cost).T
    slope = float(np.polyfit(changes, times, 1)[0]) / 1e3
    best = {
        f"{rate:g}/s": round((2 * rate * seconds / (SEARCHES * slope)) ** 0.5) for rate in CHANGES
    }
    return {
        "build_s": round(seconds, 1),
        "search_ms": {int(changed): round(ms, 3) for changed, ms in cost},
        "us_per_1000_changes": round(slope * 1e9, 1),
        "best_changes_between_builds": best,
    }


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sizes = {count: measure(count) for count in options.counts}
    show({"bench": "compaction", **sizes, **machine()}, as_json=options.json)


if __name__ == "__main__":
    main()
