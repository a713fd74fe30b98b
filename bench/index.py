"""Index: recall against queries a second of ours and of its peers, on the same vectors.

Every engine is built and searched in a process of its own, one after the other; it searches on
one thread, one query at a time and all at once. Recall@10 is measured against an exact search
by queries that are not in the index.

    python bench/index.py --vectors clustered --count 100000 --engines ours scann hnswlib --json
    python bench/index.py --vectors embeddings.npy --plot curves.svg --json
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

from visearch.index.exact import exact_search

K = 10
TARGETS = (0.95, 0.99)
CLUSTER_SPREAD = 0.6
"""Length of the noise around a centre of length 1."""


def vectors_of(options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """Return the base, float32 [n, d], and queries, float32 [q, d], unit rows, none shared."""
    if options.vectors == "clustered":
        both = clustered(options.count + options.queries, options.dimension)
    else:
        both = np.load(options.vectors).astype(np.float32)
        both = np.random.default_rng(0).permutation(both)[: options.count + options.queries]
    return both[options.queries :], both[: options.queries]


def clustered(count: int, dimension: int) -> np.ndarray:
    """Return unit vectors around √n centres, float32 [count, dimension]."""
    rng = np.random.default_rng(0)
    centres = _unit(rng.standard_normal((int(count**0.5), dimension), np.float32))
    out = np.empty((count, dimension), np.float32)
    for start in range(0, count, 65_536):
        rows = slice(start, min(start + 65_536, count))
        size = rows.stop - rows.start
        noise = _unit(rng.standard_normal((size, dimension), np.float32))
        own = centres[rng.integers(0, len(centres), size)]
        out[rows] = _unit(own + CLUSTER_SPREAD * noise)
    return rng.permutation(out)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def resident_mb() -> float:
    """Return the resident memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def measure_engine(name: str, folder: Path, seconds: float, out: Any) -> None:
    """Build one engine over the vectors in ``folder`` and send its figures."""
    base = np.load(folder / "base.npy", mmap_mode="r")
    queries, truth = np.load(folder / "queries.npy"), np.load(folder / "truth.npy")
    engine = index_engines.ENGINES[name](folder)
    start = time.perf_counter()
    engine.build(base)
    built = time.perf_counter() - start
    del base
    before = resident_mb()
    engine.open()
    curve = [measure_effort(engine, effort, queries, truth, seconds) for effort in engine.efforts()]
    out.send(
        {
            "build_s": round(built, 1),
            "resident_mb": round(resident_mb()),
            "opened_mb": round(resident_mb() - before),
            "bytes_on_disk": engine.bytes_on_disk(),
            "curve": curve,
        }
    )


def measure_effort(
    engine: index_engines.Engine,
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
    """Return the most queries a second among settings that reach ``target``."""
    return max((point[key] for point in curve if point["recall"] >= target), default=None)


def run_engine(name: str, folder: Path, seconds: float) -> dict[str, Any]:
    """Measure one engine in a process of its own."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=measure_engine, args=(name, folder, seconds, sender))
    process.start()
    sender.close()
    try:
        result: dict[str, Any] = receiver.recv()
    except EOFError:
        raise SystemExit(f"the engine {name} failed; its error stands above") from None
    process.join()
    for target in TARGETS:
        result[f"qps@{target}"] = at_recall(result["curve"], target, "qps")
        result[f"qps_batched@{target}"] = at_recall(result["curve"], target, "qps_batched")
    return result


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Prepare the vectors and measure all engines."""
    base, queries = vectors_of(options)
    truth, _ = exact_search(queries, base, K, "cosine")
    for name, array in (("base", base), ("queries", queries), ("truth", truth)):
        np.save(folder / f"{name}.npy", array)
    count, dimension = base.shape
    del base
    results = {name: run_engine(name, folder, options.seconds) for name in options.engines}
    return {
        "bench": "index",
        "vectors": Path(options.vectors).name,
        "count": count,
        "dimension": dimension,
        "queries": len(queries),
        "engines": results,
        "ratios": ratios(results),
        **machine(),
    }


def ratios(results: dict[str, Any]) -> dict[str, float]:
    """Return ours / each peer's queries a second, by peer, way and recall."""
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
    parser.add_argument("--vectors", default="clustered", help="`clustered`, or a .npy [n, d]")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=256, help="of clustered vectors")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument(
        "--engines",
        nargs="+",
        default=list(index_engines.ENGINES),
        choices=list(index_engines.ENGINES),
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--curves", type=Path, help="write the whole result there, too")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for name in options.engines:
        index_engines.require(name)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(options, Path(folder))
    if options.curves:
        options.curves.write_text(json.dumps(result, indent=1))
    show(result, as_json=options.json)


if __name__ == "__main__":
    main()
