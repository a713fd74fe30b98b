"""Shards: does a catalog in shards give the same answers, and what does it cost?

Imports one archive twice, into one shard and into several, waits for both generations, and
searches both with the same edited pictures. The server must run with shard workers, for example
`VISEARCH_SHARD_WORKERS=4 visearch up`.

    python bench/shards.py --server http://127.0.0.1:8000 --archive catalog.zip --json
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import httpx
from common import archive_path, import_archive, machine, percentiles, show
from serve import make_queries

from visearch.cli.client import Client, until

SEARCH = "search"
BUILD_S = 3600.0


def prepare(client: httpx.Client, archive: Path, shards: int, target_recall: float) -> str:
    """Import the archive and wait until a generation of all of it is served; return the catalog."""
    catalog = f"shards-{shards}-{int(time.time())}"
    settings = {"shards": shards, "target_recall": target_recall}
    client.put(f"/v1/catalogs/{catalog}", json=settings).raise_for_status()
    *_, record = import_archive(client, catalog, archive)
    if record["status"] != "succeeded":
        raise SystemExit(f"The import ended as {record['status']}: {record['counts']}")
    until(lambda: whole(client, catalog), BUILD_S, "A generation of the whole catalog", every_s=1.0)
    return catalog


def whole(client: httpx.Client, catalog: str) -> bool:
    """Tell whether every worker serves the newest generation, with few changes since."""
    states = client.get("/v1/system").raise_for_status().json()["catalogs"]
    state = next(each for each in states if each["name"] == catalog)
    built = state["generation"] and not state["refused"] and not state["missing_shards"]
    return bool(built) and state["delta"] < 0.1 * state["images"]


def ask(client: httpx.Client, catalog: str, pictures: list[bytes]) -> dict[str, Any]:
    """Return the ten nearest to each picture, and how long the index took."""
    api = Client(client)
    records = [api.search(picture, catalog=catalog, limit=10) for picture in pictures]
    if failed := [record for record in records if record["status"] != "succeeded"]:
        raise SystemExit(f"{len(failed)} searches did not succeed: {failed[0]['error']}")
    return {
        "found": [[hit["product_id"] for hit in record["results"]] for record in records],
        "scores": [[hit["score"] for hit in record["results"]] for record in records],
        "partial": sum(r["shards"]["answered"] < r["shards"]["asked"] for r in records),
        "search_ms": percentiles([record["timings_ms"][SEARCH] for record in records]),
    }


def compare(one: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    """Return how often both answers agree, and which has the nearer hits where they differ."""
    pairs = list(zip(one["found"], parts["found"], strict=True))
    nearer = [
        (sum(b) > sum(a) + 1e-5) - (sum(a) > sum(b) + 1e-5)
        for a, b in zip(one["scores"], parts["scores"], strict=True)
    ]
    return {
        "same_top10": round(sum(a == b for a, b in pairs) / len(pairs), 4),
        "same_set": round(sum(set(a) == set(b) for a, b in pairs) / len(pairs), 4),
        "one_shard_nearer": nearer.count(-1),
        "several_nearer": nearer.count(1),
    }


def main() -> None:
    """Parse the command line, import, search, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", required=True)
    parser.add_argument("--archive")
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--target-recall", type=float, default=0.98)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument(
        "--catalogs", nargs=2, help="existing catalogs: one with one shard, one with several"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    archive = archive_path(options.archive)
    pictures = [picture for _, picture in make_queries(archive, options.queries, seed=1)]
    with httpx.Client(base_url=options.server, timeout=60) as client:
        names = options.catalogs or [
            prepare(client, archive, shards, options.target_recall)
            for shards in (1, options.shards)
        ]
        one, parts = (ask(client, name, pictures) for name in names)
    result = {
        "bench": "shards",
        "queries": len(pictures),
        "target_recall": options.target_recall,
        **compare(one, parts),
        "partial": one["partial"] + parts["partial"],
        "search_ms_one": one["search_ms"],
        "search_ms_several": parts["search_ms"],
        **machine(),
    }
    show(result, as_json=options.json)


if __name__ == "__main__":
    main()
