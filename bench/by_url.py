"""An import of many rows whose pictures come by URL from ten hosts, one of which hangs.

The hosts are on this machine, the pictures small, and the encoder is a small one with random
weights: what shows is what fetching costs, and that the host that hangs keeps no other waiting.
Then the same file is imported again. It takes minutes.

    python bench/by_url.py --rows 100000 --json
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common import machine, show
from large_import import Memory, write_encoder
from own_system import OwnSystem, own_system

HOSTS = [f"127.0.0.{n}" for n in range(2, 12)]
CATALOG = "by-url"


@contextmanager
def hosts() -> Iterator[int]:
    """Start the hosts in a process of their own; yields their port."""
    command = [sys.executable, str(Path(__file__).with_name("picture_hosts.py")), *HOSTS]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as running:
        assert running.stdout is not None
        yield int(running.stdout.readline())
        running.kill()


def write_table(path: Path, rows: int, port: int, addresses: Sequence[str]) -> None:
    """Write a CSV of so many products, whose pictures are spread over these hosts."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "image", "title", "price"])
        for n in range(rows):
            address = addresses[n % len(addresses)]
            writer.writerow([f"p{n}", f"http://{address}:{port}/{n}.jpg", f"Product {n}", n % 997])


def run_import(system: OwnSystem, table: Path, rows: int, hanging: int) -> dict[str, Any]:
    """Import the table; returns how long it took the pictures that come, and all of them."""
    memory, start = Memory(system), time.perf_counter()
    with system.client() as api:
        api.ensure_catalog(CATALOG)
        record = api.upload(CATALOG, table, media="text/csv")
        came: float | None = None
        for now in api.follow_import(record, every_s=0.5):
            if came is None and now["counts"]["searchable"] >= rows - hanging:
                came = time.perf_counter() - start
        total = time.perf_counter() - start
        done = api.read_import(record)
    counts = done["counts"]
    return {
        "status": done["status"],
        "counts": counts,
        "all_that_come_s": None if came is None else round(came, 1),
        "pictures_per_s": None if came is None else round((rows - hanging) / came, 1),
        "total_s": round(total, 1),
        "peak_mib": memory.stop(),
        "books_agree": (counts["searchable"], counts["failed"]) == (rows - hanging, hanging),
    }


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = options.rows
    settings = {"fetch_allow": ",".join(HOSTS), "fetch_ports": "all", "fetch_timeout_s": "5"}
    # The host that hangs is given up after minutes rather than an hour.
    settings |= {"fetch_tries": "3", "fetch_retry_s": "5"}
    with tempfile.TemporaryDirectory(prefix="visearch-bench-") as where, hosts() as port:
        encoder, table = Path(where) / "encoder.safetensors", Path(where) / "table.csv"
        write_encoder(encoder)
        with own_system(encoder=f"file:{encoder}", **settings) as system:
            write_table(table, rows, port, HOSTS)
            first = run_import(system, table, rows, rows // len(HOSTS))
            write_table(table, rows, port, HOSTS[:-1])
            healthy = run_import(system, table, rows, 0)
            again = run_import(system, table, rows, 0)
    result = {"one_host_hangs": first, "all_answer": healthy, "the_same_again": again}
    show({"bench": "by_url", "rows": rows, **result, **machine()}, as_json=options.json)


if __name__ == "__main__":
    main()
