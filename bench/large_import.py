"""An import of very many rows: speed, memory of each process, the books, then deep pages of it.

The pictures are small and the encoder is a small one with random weights, so that what grows with
the number of rows shows: planning, ledger, messages, index. It takes minutes.

    python bench/large_import.py --rows 200000 --json
"""

from __future__ import annotations

import argparse
import csv
import io
import tempfile
import threading
import time
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from common import machine, percentiles, show
from own_system import OwnSystem, own_system
from PIL import Image

from visearch.encoders.checkpoints.weights import save_safetensors, to_tensors
from visearch.encoders.registry import build
from visearch.encoders.spec import metadata_for
from visearch.images import Preprocess

ARCHITECTURE, SIDE, DIMENSION = "mobilenetv3_small_100", 32, 64
CATALOG = "large"
COLOURS = ("red", "green", "blue", "black", "white")
PAGES = 100


def write_encoder(path: Path) -> None:
    """Write a small encoder with random weights."""
    model = build(ARCHITECTURE, classes=None, embedding=DIMENSION)
    preprocess = Preprocess(size=SIDE, fit="stretch", mean=(0.5,) * 3, std=(0.5,) * 3)
    save_safetensors(path, to_tensors(model), metadata_for(ARCHITECTURE, DIMENSION, preprocess))


def write_archive(path: Path, rows: int) -> None:
    """Write a zip of that many products, each with a picture and five attributes of its own."""
    rng = np.random.default_rng(0)
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["id", "image", "title", "colour", "price", "size", "brand", "stock"])
    with zipfile.ZipFile(path, "w") as file:
        for n in range(rows):
            row = [f"p{n}", f"{n}.jpg", f"Product {n}", COLOURS[n % 5], n % 997 / 10]
            writer.writerow([*row, "SML"[n % 3], f"brand-{n % 211}", n % 7])
            file.writestr(f"{n}.jpg", picture(rng))
        file.writestr("manifest.csv", table.getvalue())


def picture(rng: np.random.Generator) -> bytes:
    """Draw random blocks, as a JPEG."""
    image = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).resize((SIDE, SIDE), 0)
    out = io.BytesIO()
    image.save(out, "JPEG")
    return out.getvalue()


class Memory:
    """The most resident memory of each role with its children, looked at every second."""

    def __init__(self, system: OwnSystem) -> None:
        lines = (system.home / "pids").read_text().splitlines()
        self._pids = {name: int(pid) for name, pid in (line.split() for line in lines)}
        self._stop = threading.Event()
        self.peaks: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(1):
            for role, pid in self._pids.items():
                try:
                    process = psutil.Process(pid)
                    each = [process, *process.children(recursive=True)]
                    held = sum(one.memory_info().rss for one in each)
                except psutil.NoSuchProcess:  # restarted or a decoder that ended
                    continue
                self.peaks[role] = max(self.peaks[role], held)

    def stop(self) -> dict[str, int]:
        """Look no more; returns the peaks in MiB."""
        self._stop.set()
        self._thread.join()
        return {role: peak >> 20 for role, peak in self.peaks.items()}


def run_import(system: OwnSystem, archive: Path, rows: int) -> dict[str, Any]:
    """Import the archive; returns times, memory and what the ledger says."""
    memory, start = Memory(system), time.perf_counter()
    with system.client() as api:
        api.ensure_catalog(CATALOG)
        record = api.upload(CATALOG, archive)
        accepted = time.perf_counter() - start
        done = api.finished_import(record, every_s=1)
        total = time.perf_counter() - start
        peaks = memory.stop()
        start = time.perf_counter()
        found = Counter(item["status"] for item in api.items(record))
        ledger = time.perf_counter() - start
        catalog = api.call("GET", f"/v1/catalogs/{CATALOG}")
    counts = done["counts"]
    books = {
        "items": counts["items"] == rows,
        "ledger": dict(found) == {"searchable": rows},
        "catalog": (catalog["products"], catalog["images"]) == (rows, rows),
    }
    return {
        "status": done["status"],
        "accepted_s": round(accepted, 1),
        "total_s": round(total, 1),
        "pictures_per_s": round(rows / total, 1),
        "ledger_read_s": round(ledger, 1),
        "peak_mib": peaks,
        "books_agree": all(books.values()) or books,
    }


def ask(http: httpx.Client, **fields: Any) -> float:
    """Search; returns the milliseconds it took."""
    start = time.perf_counter()
    body = {"catalog": CATALOG, "product": {"id": "p1"}, **fields}
    answer = http.post("/v1/searches", json=body, headers={"Prefer": "wait=10"})
    assert answer.json()["status"] == "succeeded", answer.text
    return 1000 * (time.perf_counter() - start)


def listed(http: httpx.Client, **parameters: Any) -> float:
    """Read a page of products; returns the milliseconds it took."""
    start = time.perf_counter()
    path = f"/v1/catalogs/{CATALOG}/products"
    http.get(path, params={"limit": 100, **parameters}).raise_for_status()
    return 1000 * (time.perf_counter() - start)


def read_pages(http: httpx.Client) -> dict[str, dict[str, float]]:
    """Ask for a hundred deep pages and filters of each kind; returns milliseconds."""
    spread = range(PAGES)
    kinds = {
        "first_page": [ask(http, limit=100, offset=n) for n in spread],
        "deep_page": [ask(http, limit=100, offset=9_900 + n) for n in spread],
        "deep_grouped_page": [ask(http, limit=100, offset=9_900 + n, group=True) for n in spread],
        "filter_narrow": [ask(http, filter={"brand": f"brand-{n}"}) for n in spread],
        "filter_broad": [ask(http, filter={"colour": [*COLOURS[: 1 + n % 4]]}) for n in spread],
        "filter_range": [ask(http, filter={"price": {"gte": n / 2, "lte": n}}) for n in spread],
        "facets": [ask(http, facets=["colour", "brand"], limit=1 + n) for n in spread],
        "list_filtered": [listed(http, brand=f"brand-{n}") for n in spread],
    }
    return {name: percentiles(times) for name, times in kinds.items()}


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="visearch-bench-") as where:
        encoder, archive = Path(where) / "encoder.safetensors", Path(where) / "large.zip"
        write_encoder(encoder)
        write_archive(archive, options.rows)
        with own_system(encoder=f"file:{encoder}") as system:
            result = run_import(system, archive, options.rows)
            with system.open_http() as http:
                pages = read_pages(http)
    named = {"bench": "large_import", "rows": options.rows, **result, "pages_ms": pages}
    show({**named, **machine()}, as_json=options.json)


if __name__ == "__main__":
    main()
