"""Freshness: the time from the commit of a change to the first answer that shows it, under load.

Starts its own system with ``--products`` products. Then it makes ``--rate`` changes per second
(additions, replacements, attribute patches and deletes in turn, with embeddings made beforehand)
for ``--seconds``. Meanwhile ``--clients`` search and check every hit against what was
acknowledged before the search was submitted, and generations are built. It fails if a hit was
stale or deleted, a search failed, an answer's ``fresh_to`` was wrong, or fewer than two
generations were published. There is no peer: the promise is two seconds.

    python bench/freshness.py --json
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from typing import Any

import numpy as np
import sqlalchemy as sa
from common import archive_path, machine, percentiles, pictures, show
from fresh_book import Book
from fresh_searches import Crowd
from fresh_writes import Beforehand, Pictures, Writers
from own_system import OwnSystem, own_system

from visearch.cli.client import until
from visearch.encoders.encoder import Encoder
from visearch.encoders.runtimes.options import RunOptions
from visearch.images import decode
from visearch.store.database import Database
from visearch.store.schema import generations

CATALOG = "freshness"
CLUSTERS = 200
FILL_CHUNK = 500
BUILD_S = 600.0
SETTLED = 200
BUILDS = 2
FAULTS = ("failed", "deleted", "stale", "late", "lost")


def centres_of(data: list[bytes]) -> np.ndarray:
    """Return the embeddings of the query pictures, float32 [n, d], each the centre of a cluster."""
    encoder = Encoder.open("bundled", (64,), RunOptions(shared=True))
    least = encoder.preprocess.at_least
    return np.asarray(encoder.embed([decode(raw, at_least=least) for raw in data]))


def fill(system: OwnSystem, book: Book, writer: Pictures, count: int) -> None:
    """Create a catalog of ``count`` products and wait until its generation is served."""
    rng = random.Random(0)
    for start in range(0, count, FILL_CHUNK):
        many = range(start, min(start + FILL_CHUNK, count))
        writer.write([book.begin("add", 0.0, rng) for _ in many])
    until(lambda: _served(system), BUILD_S, "A generation of the filled catalog")


def _served(system: OwnSystem) -> bool:
    """Tell whether a generation of the whole catalog is published and served by the workers."""
    with system.client() as client:
        (state,) = client.call("GET", "/v1/system")["catalogs"]
    return bool(state["generation"] and state["serving"] and not state["refused"])


def published(system: OwnSystem, since: float) -> list[dict[str, Any]]:
    """Return the generations published since that time."""
    database = Database(system.settings.database)
    with database.read() as connection:
        query = sa.select(generations).where(generations.c.created_at >= since)
        rows = connection.execute(query.order_by(generations.c.created_at)).all()
    database.close()
    return [{"after_s": round(row.created_at - since, 1), "recall": row.recall} for row in rows]


def settle(crowd: Crowd, book: Book) -> None:
    """Check again without load: what was written is found, and what was deleted is not."""
    asker, rng = crowd.asker(), random.Random(1)
    time.sleep(2.0)  # the promised time
    for product in rng.sample(book.live(), min(SETTLED, len(book.live()))):
        asker.shelf(0, product)


def measure(system: OwnSystem, options: argparse.Namespace, data: list[bytes]) -> dict[str, Any]:
    """Fill, change and search; return the figures."""
    book, centres = Book(), centres_of(data)
    with system.client() as client:
        client.ensure_catalog(CATALOG)
    writer = Pictures(system, CATALOG, book, Beforehand(centres))
    fill(system, book, writer, options.products)
    crowd = Crowd(system, CATALOG, book, data, kept=len(centres))
    writers = Writers(system, CATALOG, book, writer, crowd.offer)
    start = time.time()
    crowd.start(options.clients, options.probers, options.pause)
    spent = writers.run(options.rate, options.seconds, kept=len(centres))
    built = published(system, start)
    crowd.stop()
    settle(crowd, book)
    return {**_changes(writers, spent), **_searches(crowd, spent), "generations": built}


def _changes(writers: Writers, spent: float) -> dict[str, Any]:
    total = sum(writers.counts.values())
    return {
        "seconds": round(spent, 1),
        "changes": writers.counts,
        "changes_per_s": round(total / spent, 1),
        "acknowledged_after_ms": percentiles([1e3 * lag for lag in writers.lags]),
        "refused_changes": writers.errors,
    }


def _searches(crowd: Crowd, spent: float) -> dict[str, Any]:
    found = crowd.findings
    every = [1e3 * seconds for times in found.seen.values() for seconds in times]
    return {
        "searchable_after_ms": percentiles(every),
        "timed": {
            kind: {"changes": len(times), **percentiles([1e3 * each for each in times])}
            for kind, times in sorted(found.seen.items())
        },
        "searches_per_s": round(len(found.latencies) / spent, 1),
        "search_ms": percentiles([1e3 * each for each in found.latencies]),
        "age_ms": percentiles([1e3 * each for each in found.ages]),
        **found.counts,
        "generations_answering": len(found.generations),
        "examples": found.examples,
    }


def wrong(result: dict[str, Any]) -> list[str]:
    """Return the names of the broken promises."""
    out = [name for name in FAULTS if result[name]]
    out += ["refused_changes"] if result["refused_changes"] else []
    return out + (["generations"] if len(result["generations"]) < BUILDS else [])


def main() -> None:
    """Parse the command line, measure, print; exit 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--products", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=100.0, help="changes per second")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--probers", type=int, default=2, help="threads that time changes")
    parser.add_argument(
        "--pause", type=float, default=0.1, help="seconds that a client rests between searches"
    )
    parser.add_argument("--archive", help="zip of query pictures [default: drawn ones]")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    data = list(pictures(archive_path(options.archive)).values())[:CLUSTERS]
    due = max(1, round(options.rate * options.seconds / (2 * BUILDS)))
    settings = {
        "brute_force_limit": str(max(1, options.products // 2)),
        "compact_min": str(due),
        "compact_ratio": "0.001",
    }
    with own_system(**settings) as system:
        result = measure(system, options, data)
    broken = wrong(result)
    facts = {"bench": "freshness", "products": options.products, "clients": options.clients}
    show({**facts, **result, "broken": broken, **machine()}, as_json=options.json)
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
