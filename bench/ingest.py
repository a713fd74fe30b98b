"""Import: one archive over HTTP until every item is searchable, compared with a bare loop.

The peer does the same work in one process without server, queue, database or blobs:
decode, thumbnail, preprocess, embed. The ratio says what the system around it costs
(or gains, with more than one process). The same archive is then uploaded once more: nothing of it
is decoded or encoded again.

    python bench/ingest.py --server http://127.0.0.1:8000 --archive catalog.zip --json
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import httpx
import numpy as np
from common import archive_path, import_archive, machine, pictures, show

from visearch.encoders.encoder import Encoder
from visearch.encoders.runtimes.options import RunOptions
from visearch.images import decode, thumbnail

PEER_PICTURES = 2_000


def run_system(client: httpx.Client, catalog: str, path: Any) -> dict[str, Any]:
    """Upload ``path`` and follow the import; return counts and times in seconds."""
    start = time.perf_counter()
    marks: dict[str, float] = {}
    for record in import_archive(client, catalog, path):
        marks.setdefault("accepted_s", time.perf_counter() - start)
        if record["counts"]["searchable"]:
            marks.setdefault("first_searchable_s", time.perf_counter() - start)
    total = time.perf_counter() - start
    counts = record["counts"]
    return {
        "status": record["status"],
        "counts": counts,
        "accepted_s": round(marks["accepted_s"], 2),
        "first_searchable_s": round(marks.get("first_searchable_s", total), 2),
        "total_s": round(total, 2),
        "images_per_s": round(counts["searchable"] / total, 1),
    }


def run_peer(data: list[bytes]) -> dict[str, float]:
    """Do the same work in a bare loop; return pictures/s, and ms per picture for each part."""
    encoder = Encoder.open("bundled", (64,), RunOptions(shared=True))
    encoder.warm_up()
    spent = {"decode": 0.0, "thumbnail": 0.0, "preprocess": 0.0, "encode": 0.0}
    begin = time.perf_counter()
    for at in range(0, len(data), 64):
        pixels = []
        for raw in data[at : at + 64]:
            t0 = time.perf_counter()
            image = decode(raw, at_least=encoder.preprocess.at_least)
            t1 = time.perf_counter()
            thumbnail(image)
            t2 = time.perf_counter()
            pixels.append(image)
            spent["decode"] += t1 - t0
            spent["thumbnail"] += t2 - t1
        t3 = time.perf_counter()
        arrays = [encoder.preprocess.pixels(image) for image in pixels]
        t4 = time.perf_counter()

        encoder.embed_pixels(np.stack(arrays))
        spent["preprocess"] += t4 - t3
        spent["encode"] += time.perf_counter() - t4
    total = time.perf_counter() - begin
    parts = {f"peer_{name}_ms": round(1e3 * s / len(data), 3) for name, s in spent.items()}
    return {"peer_images_per_s": round(len(data) / total, 1), **parts}


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", default="http://127.0.0.1:8000")
    parser.add_argument("--archive", help="zip of pictures [default: 600 drawn ones]")
    parser.add_argument("--catalog", default=f"bench-{int(time.time())}")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    path = archive_path(options.archive)
    with httpx.Client(base_url=options.server, timeout=60) as client:
        ours = run_system(client, options.catalog, path)
        again = run_system(client, options.catalog, path)
    peer = run_peer(list(pictures(path).values())[:PEER_PICTURES])
    ratio = round(ours["images_per_s"] / peer["peer_images_per_s"], 3)
    result = {"bench": "ingest", "peer": "bare loop, one process", **ours, **peer, "ratio": ratio}
    second = {"again_s": again["total_s"], "again_images_per_s": again["images_per_s"]}
    show({**result, **second, **machine()}, as_json=options.json)


if __name__ == "__main__":
    main()
