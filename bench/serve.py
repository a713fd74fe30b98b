"""Serving: edited pictures find their product; one client's latency, many clients' rate.

Each query is a catalog picture cropped to 80 % of its sides, made up to 20 % darker or
brighter and recompressed at quality 40. The peer is the same work in one process without
server or queue: decode, preprocess, embed one picture, exact search.

With ``--home``, the folder of a system on this machine, the result tells the CPU time that each of
its processes took for a search. ``search_without_encoder`` is the search worker's less what the
same encoder takes in this process, at the batch sizes that the two loads reach.

    python bench/serve.py --server http://127.0.0.1:8000 --home .visearch --json
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from common import (
    archive_path,
    import_archive,
    machine,
    percentiles,
    pictures,
    products,
    show,
)

from visearch.encoders.encoder import Encoder
from visearch.encoders.runtimes.options import RunOptions
from visearch.images import decode
from visearch.images.edit import edit
from visearch.index import exact_search

PARTS = ("queue", "decode", "encode", "search", "hydrate", "total")
TERMINAL = ("succeeded", "failed", "expired", "cancelled")


def make_queries(archive: Path, count: int, seed: int) -> list[tuple[set[str], bytes]]:
    """Return ``(right answers, query bytes)``: the picture's product and pixel-identical twins."""
    data, product_of = pictures(archive), products(archive)
    rng = np.random.default_rng(seed)
    twins: dict[bytes, set[str]] = {}
    for name, raw in data.items():
        twins.setdefault(decode(raw).tobytes(), set()).add(product_of[name])
    picked = rng.choice(sorted(data), min(count, len(data)), replace=False)
    out = []
    for name in picked:
        image = decode(data[str(name)])
        out.append((twins[image.tobytes()], edit(image, rng)))
    return out


def prepare(server: str, archive: Path) -> str:
    """Import the archive; returns the name of its catalog."""
    catalog = f"bench-{int(time.time())}"
    with httpx.Client(base_url=server, timeout=60) as client:
        *_, record = import_archive(client, catalog, archive)
    if record["status"] != "succeeded":
        raise SystemExit(f"the import ended as {record['status']}: {record['counts']}")
    return catalog


def search(client: httpx.Client, catalog: str, picture: bytes, limit: int) -> dict[str, Any]:
    """Search and wait for the terminal state."""
    answer = client.post(
        "/v1/searches",
        files={"image": ("q.jpg", picture)},
        data={"catalog": catalog, "limit": str(limit)},
        headers={"Prefer": "wait=10"},
    )
    record: dict[str, Any] = answer.raise_for_status().json()
    while record["status"] not in TERMINAL:
        where = f"/v1/searches/{record['id']}"
        record = client.get(where, headers={"Prefer": "wait=10"}).raise_for_status().json()
    return record


def one_by_one(server: str, catalog: str, queries: list[tuple[set[str], bytes]]) -> dict[str, Any]:
    """Search each query alone; returns the share at rank 1 and 10, and latencies in ms."""
    times: dict[str, list[float]] = {name: [] for name in (*PARTS, "http")}
    first = tenth = 0
    with httpx.Client(base_url=server, timeout=60) as client:
        for right, picture in queries:
            start = time.perf_counter()
            record = search(client, catalog, picture, 10)
            times["http"].append((time.perf_counter() - start) * 1e3)
            if record["status"] != "succeeded":
                raise SystemExit(f"a search ended as {record['status']}: {record['error']}")
            found = [hit["product_id"] for hit in record["results"]]
            first += bool(found and found[0] in right)
            tenth += bool(right & set(found))
            for name in PARTS:
                times[name].append(record["timings_ms"][name])
    return {
        "queries": len(queries),
        "rank1": round(first / len(queries), 4),
        "in_top10": round(tenth / len(queries), 4),
        "ms": {name: percentiles(values) for name, values in times.items()},
    }


def crowd(
    server: str, catalog: str, queries: list[tuple[set[str], bytes]], clients: int, seconds: float
) -> dict[str, Any]:
    """Let ``clients`` search at once; every query is made unlike the others (no cache)."""
    end = time.monotonic() + seconds
    latencies: list[float] = []
    states: dict[str, int] = {}
    errors: list[str] = []
    lock = threading.Lock()

    def one(number: int) -> None:
        turn = 0
        with httpx.Client(base_url=server, timeout=60) as client:
            while time.monotonic() < end:
                _, picture = queries[(number * 37 + turn) % len(queries)]
                # Bytes after a JPEG's end change its digest, not its pixels.
                picture += f"{number}.{turn}.{time.time()}".encode()
                start = time.perf_counter()
                try:
                    status = search(client, catalog, picture, 10)["status"]
                except httpx.HTTPError as error:
                    with lock:
                        errors.append(repr(error))
                    continue
                with lock:
                    latencies.append((time.perf_counter() - start) * 1e3)
                    states[status] = states.get(status, 0) + 1
                turn += 1

    threads = [threading.Thread(target=one, args=(n,)) for n in range(clients)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = time.monotonic() - begin
    return {
        "clients": clients,
        "seconds": round(spent, 1),
        "searches_per_s": round(len(latencies) / spent, 1),
        "crowd_ms": percentiles(latencies),
        "states": states,
        "errors": errors[:5],
    }


def peer(data: dict[str, bytes], queries: list[tuple[set[str], bytes]]) -> dict[str, float]:
    """Search in a bare loop; returns searches/s. The base is embedded beforehand."""
    # As in a worker: threads that spin would hold the cores that decoding and searching need.
    encoder = Encoder.open("bundled", (1, 64), RunOptions(shared=True))
    encoder.warm_up()
    some = list(data.values())[:20_000]
    base = np.concatenate(
        [
            encoder.embed([decode(raw) for raw in some[at : at + 64]])
            for at in range(0, len(some), 64)
        ]
    )
    begin = time.perf_counter()
    for _, picture in queries:
        image = decode(picture, at_least=encoder.preprocess.at_least)
        exact_search(encoder.embed([image]), base, 10, "cosine")
    rate = len(queries) / (time.perf_counter() - begin)
    return {"peer_searches_per_s": round(rate, 1), "peer_vectors": len(base)}


CROWD_BATCH = 8
CPU_ROLES = ("web", "search", "redis")
_TICK_MS = 1e3 / os.sysconf("SC_CLK_TCK")


def cpu_ms(home: Path) -> dict[str, float]:
    """Return the user and system time, in ms, of the processes of each role since they started."""
    groups = dict(line.split() for line in (home / "pids").read_text().splitlines())
    spent = dict.fromkeys(groups.values(), 0.0)
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        if fields[2] in spent:  # its process group: the role's first process leads it
            spent[fields[2]] += (int(fields[11]) + int(fields[12])) * _TICK_MS
    return {role: spent[groups[role]] for role in CPU_ROLES if role in groups}


def encoder_ms(batch: int, seconds: float = 3.0) -> float:
    """Return the CPU time, in ms, that the bundled encoder takes for a picture in such batches."""
    encoder = Encoder.open("bundled", (1, 64), RunOptions(shared=True))
    encoder.warm_up()
    pixels = np.random.default_rng(0).integers(
        0, 256, (batch, encoder.size, encoder.size, 3), np.uint8
    )
    runs, begin, end = 0, time.process_time(), time.monotonic() + seconds
    while time.monotonic() < end:
        encoder.embed_pixels(pixels)
        runs += 1
    return (time.process_time() - begin) * 1e3 / (runs * batch)


def cpu_per_search(
    before: dict[str, float], after: dict[str, float], searches: int, encoding: float
) -> dict[str, float]:
    """Return ms of CPU for a search, by role, and the search worker's without its encoder."""
    each = {role: (after[role] - before[role]) / searches for role in before}
    found = {**each, "encoder": encoding, "search_without_encoder": each["search"] - encoding}
    return {name: round(value, 2) for name, value in found.items()}


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", default="http://127.0.0.1:8000")
    parser.add_argument("--catalog", help="made from the archive before [default: a new one]")
    parser.add_argument("--archive", help="zip of pictures [default: 600 drawn ones]")
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--home", type=Path, help="folder of the server, to measure its CPU time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    path = archive_path(options.archive)
    catalog = options.catalog or prepare(options.server, path)
    queries = make_queries(path, options.queries, options.seed)
    home: Path | None = options.home
    start = cpu_ms(home) if home else {}
    alone = one_by_one(options.server, catalog, queries)
    middle = cpu_ms(home) if home else {}
    many = crowd(options.server, catalog, queries, options.clients, options.seconds)
    end = cpu_ms(home) if home else {}
    cpu = {}
    if home:
        cpu = {
            "cpu_ms_alone": cpu_per_search(start, middle, len(queries), encoder_ms(1)),
            "cpu_ms_crowd": cpu_per_search(
                middle, end, sum(many["states"].values()), encoder_ms(CROWD_BATCH)
            ),
        }
    bare = peer(pictures(path), queries)
    ratio = round(many["searches_per_s"] / bare["peer_searches_per_s"], 3)
    result = {"bench": "serve", "peer": "bare loop, one process", **alone, **many, **bare}
    show({**result, **cpu, "ratio": ratio, **machine()}, as_json=options.json)


if __name__ == "__main__":
    main()
