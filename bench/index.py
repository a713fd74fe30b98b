"""Index: recall against queries per second, for ours and for its peers, on the same vectors.

Every engine is built in a process of its own and opened from its files in another one. The
engines are searched in turn on one thread, one query at a time and all at once. Recall@10 is
measured against exact search, with queries that are not in the index.

    python bench/index.py --vectors clustered --count 100000 --engines ours scann hnswlib --json
    python bench/index.py --vectors fashion.zip --curves curves.json --json
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import index_engines
import numpy as np
from common import machine, show
from index_engine import Engine
from index_vectors import vectors_of

from visearch.index.exact import exact_search

K = 10
TARGETS = (0.95, 0.99)


def resident_mb() -> float:
    """Return the resident memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def build_engine(name: str, folder: Path) -> None:
    """Build one engine over the vectors in ``folder``, and record how long that took."""
    base = np.load(folder / "base.npy", mmap_mode="r")
    engine = index_engines.ENGINES[name](folder)
    start = time.perf_counter()
    engine.build(base)
    (folder / f"{name}.built").write_text(f"{time.perf_counter() - start:.1f}")


def serve_engine(name: str, folder: Path, seconds: float, pipe: Any) -> None:
    """Open one engine and measure the settings it is sent, one after another."""
    queries, truth = np.load(folder / "queries.npy"), np.load(folder / "truth.npy")
    engine = index_engines.ENGINES[name](folder)
    before = resident_mb()
    engine.open()
    opened = resident_mb()
    efforts = list(engine.efforts())
    pipe.send((len(efforts), engine.bytes_on_disk()))
    while (number := pipe.recv()) is not None:
        pipe.send(measure_effort(engine, efforts[number], queries, truth, seconds))
    pipe.send({"resident_mb": round(resident_mb()), "opened_mb": round(opened - before)})


def measure_effort(
    engine: Engine,
    effort: Any,
    queries: np.ndarray,
    truth: np.ndarray,
    seconds: float,
) -> dict[str, Any]:
    """Return recall and speed of one setting."""
    engine.set(effort)
    found = engine.batch(queries, K)
    hits = [len(set(a) & set(b)) for a, b in zip(found.tolist(), truth.tolist(), strict=True)]
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for query in queries[:100]:
            start = time.perf_counter()
            engine.single(query, K)
            times.append(time.perf_counter() - start)
    batches = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        engine.batch(queries, K)
        batches.append(time.perf_counter() - start)
    return {
        "effort": list(effort),
        "recall": round(sum(hits) / truth.size, 4),
        "qps": round(1 / float(np.median(times)), 1),
        "qps_batched": round(len(queries) / float(np.median(batches)), 1),
        "p50_ms": round(float(np.median(times)) * 1e3, 4),
        "p99_ms": round(float(np.percentile(times, 99)) * 1e3, 4),
    }


def at_recall(curve: list[dict[str, Any]], target: float, key: str) -> float | None:
    """Return the most queries per second among the settings that reach ``target``."""
    return max((point[key] for point in curve if point["recall"] >= target), default=None)


class Served:
    """One engine in a process of its own."""

    def __init__(self, name: str, folder: Path, seconds: float) -> None:
        self.name = name
        if not (folder / f"{name}.built").exists():
            _run(build_engine, name, folder)
        self.build_s = float((folder / f"{name}.built").read_text())
        self._pipe, other = multiprocessing.get_context("spawn").Pipe()
        self._process = _start(serve_engine, name, folder, seconds, other)
        other.close()
        self.efforts, self.bytes_on_disk = self._receive()
        self.curve: list[dict[str, Any]] = []

    def measure(self, number: int) -> None:
        """Measure one setting."""
        self._pipe.send(number)
        self.curve.append(self._receive())

    def result(self) -> dict[str, Any]:
        """End the process and return everything measured."""
        self._pipe.send(None)
        memory = self._receive()
        self._process.join()
        result = {"build_s": self.build_s, "bytes_on_disk": self.bytes_on_disk, **memory}
        for target in TARGETS:
            for key in ("qps", "qps_batched"):
                result[f"{key}@{target}"] = at_recall(self.curve, target, key)
        best = [point for point in self.curve if point["recall"] >= TARGETS[0]]
        result["p50_ms@0.95"] = min((point["p50_ms"] for point in best), default=None)
        return result | {"curve": self.curve}

    def _receive(self) -> Any:
        try:
            return self._pipe.recv()
        except EOFError:
            raise SystemExit(f"The engine {self.name} failed; see its error above.") from None


def _start(what: Any, *arguments: Any) -> Any:
    process = multiprocessing.get_context("spawn").Process(target=what, args=arguments)
    process.start()
    return process


def _run(what: Any, *arguments: Any) -> None:
    process = _start(what, *arguments)
    process.join()
    if process.exitcode:
        raise SystemExit(f"Building the engine {arguments[0]} failed; see its error above.")


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Prepare the vectors and measure all engines."""
    if not (folder / "truth.npy").exists():
        base, queries = vectors_of(
            options.vectors, options.count, options.queries, options.dimension
        )
        truth, _ = exact_search(queries, base, K, "cosine")
        for name, array in (("base", base), ("queries", queries), ("truth", truth)):
            np.save(folder / f"{name}.npy", array)
        del base
    count, dimension = np.load(folder / "base.npy", mmap_mode="r").shape
    engines = [Served(name, folder, options.seconds) for name in options.engines]
    # In turn, so that other load on the machine affects all of them.
    for number in range(options.rounds * max(engine.efforts for engine in engines)):
        for engine in engines:
            if number < options.rounds * engine.efforts:
                engine.measure(number % engine.efforts)
    results = {engine.name: engine.result() for engine in engines}
    return {
        "bench": "index",
        "vectors": [Path(name).name for name in options.vectors],
        "count": count,
        "dimension": dimension,
        "queries": options.queries,
        "engines": results,
        "ratios": ratios(results),
        **machine(),
    }


def ratios(results: dict[str, Any]) -> dict[str, float]:
    """Return ours / the peer's queries per second, by peer, way of asking and recall."""
    keys = [f"{way}@{target}" for way in ("qps", "qps_batched") for target in TARGETS]
    mine = results.get("ours", {})
    return {
        f"{peer} {key}": round(mine[key] / theirs[key], 3)
        for peer, theirs in results.items()
        for key in keys
        if peer != "ours" and mine.get(key) and theirs[key]
    }


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--vectors",
        nargs="+",
        default=["clustered"],
        help="`clustered`, a .npy [n, d], or zip archives of pictures to embed",
    )
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=256, help="dimension of clustered vectors")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument(
        "--engines",
        nargs="+",
        default=list(index_engines.ENGINES),
        choices=list(index_engines.ENGINES),
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds of each measurement")
    parser.add_argument("--curves", type=Path, help="also write the whole result to this file")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=2, help="how often each setting is measured")
    parser.add_argument(
        "--folder", type=Path, help="keep vectors and indexes there, and reuse them"
    )
    options = parser.parse_args()
    for name in options.engines:
        index_engines.require(name)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        result = measure(options, folder)
    if options.curves:
        options.curves.write_text(json.dumps(result, indent=1))
    show(result, as_json=options.json)


if __name__ == "__main__":
    main()
