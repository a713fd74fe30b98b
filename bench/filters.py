"""Filters, facets and deep pages of one large catalog: what they cost beside the search itself.

Fills a catalog with products of six attributes (no picture is decoded or embedded), and an import
with a ledger row for each; then measures the keys that pass filters, facets, pages of products and
pages of the ledger. A home that is filled already is measured again.

    python bench/filters.py --home /var/tmp/million --products 1000000 --json
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import machine, percentiles, show
from filters_stock import CATALOG, COLOURS, FOLDERS, fill, product_id

from visearch.records import Catalog
from visearch.settings import Settings
from visearch.store import catalogs, changes, facets, imports, ledger, products
from visearch.store.database import Database

PAGE = 50
WITHIN_S = 600.0
Draw = Callable[[np.random.Generator], "dict[str, Any] | None"]


def _colours(rng: np.random.Generator) -> list[str]:
    return [str(colour) for colour in rng.choice(COLOURS, 2, False)]


def _prices(rng: np.random.Generator) -> dict[str, int]:
    least = int(rng.integers(90))
    return {"gte": least, "lte": least + 10}


WHERE: dict[str, Draw] = {
    "one brand": lambda rng: {"brand": f"brand {rng.integers(1000)}"},
    "one folder": lambda rng: {"folder": f"f{rng.integers(FOLDERS):02}"},
    "a range of prices": lambda rng: {"price": _prices(rng)},
    "two colours": lambda rng: {"colour": _colours(rng)},
    "not on sale": lambda _: {"sale": False},
    "three fields": lambda rng: {"colour": _colours(rng), "sizes": "M", "price": {"lte": 50}},
}
"""Kinds of filters: some 0.1, 2, 10, 17, 90 and 3 % of the products pass."""

FACETS = ["colour", "brand", "sizes"]


def timed(count: int, do: Callable[[np.random.Generator], object]) -> dict[str, float]:
    """Return percentiles of the milliseconds that ``do`` takes, with other draws each time.

    And the median of its milliseconds on a core, for a machine that others use too.
    """
    rng, times, cores = np.random.default_rng(1), [], []
    for _ in range(count):
        start, used = time.perf_counter(), time.process_time()
        do(rng)
        times.append(1e3 * (time.perf_counter() - start))
        cores.append(1e3 * (time.process_time() - used))
    return {**percentiles(times), "cpu": round(float(np.median(cores)), 1)}


def searches(database: Database, catalog: Catalog, count: int) -> dict[str, Any]:
    """Measure what a search asks of the store: the keys that pass, and the facets of those."""

    def keys(draw: Draw, rng: np.random.Generator) -> None:
        with database.read(WITHIN_S) as connection:
            changes.filtered(connection, catalog, draw(rng) or {})

    def counts(draw: Draw, asked: list[str], rng: np.random.Generator) -> None:
        with database.read(WITHIN_S) as connection:
            facets.count_values(connection, catalog, asked, draw(rng) or {})

    out = {}
    for name, draw in WHERE.items():
        out[f"keys: {name}"] = timed(count, partial(keys, draw))
        out[f"3 facets: {name}"] = timed(count, partial(counts, draw, FACETS))
    out["3 facets: no filter"] = timed(count, partial(counts, _nothing, FACETS))
    out["facet of prices: no filter"] = timed(count, partial(counts, _nothing, ["price"]))
    return out


def _nothing(_: object) -> None:
    return None


def pages(database: Database, catalog: Catalog, size: int, count: int) -> dict[str, Any]:
    """Measure pages of products: filtered, first and any; and unfiltered ones by their depth."""

    def measure(after: Callable[[np.random.Generator], str], draw: Draw) -> dict[str, float]:
        def page(rng: np.random.Generator) -> None:
            with database.read(WITHIN_S) as connection:
                products.page(connection, catalog, after(rng), PAGE + 1, draw(rng))

        return timed(count, page)

    out = {}
    for name, draw in WHERE.items():
        out[f"{name}, first page"] = measure(lambda _: "", draw)
        anywhere = measure(lambda rng: product_id(int(rng.integers(size))), draw)
        out[f"{name}, any page"] = anywhere
    for depth in depths(size):
        after = product_id(depth) if depth else ""
        out[f"no filter, after {depth}"] = measure(partial(_same, after), _nothing)
    return out


def _same(after: str, _: object) -> str:
    return after


def ledger_pages(database: Database, size: int, count: int) -> dict[str, Any]:
    """Measure pages of an import's ledger, whole and of the few that failed, by their depth."""
    with database.read() as connection:
        (record,) = imports.page(connection, catalogs.get(connection, CATALOG), "file", "", 1)

    def page(after: int, status: str | None, _: object) -> None:
        with database.read() as connection:
            ledger.items(connection, record, after=after, limit=PAGE, status=status)

    return {
        f"{status or 'all'}, after {depth}": timed(count, partial(page, depth, status))
        for status in (None, "failed")
        for depth in depths(size)
    }


def depths(size: int) -> list[int]:
    """Return how far down the measured pages lie."""
    return [0, size // 2, size - 2 * PAGE]


def main() -> None:
    """Parse the command line, fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--products", type=int, default=1_000_000)
    parser.add_argument("--count", type=int, default=100, help="of each kind")
    parser.add_argument("--database-url", default="", help="[default: SQLite in the home]")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    settings = Settings(home=options.home, database_url=options.database_url)
    database = Database(settings.database)
    filled = fill(database, options.products)
    with database.read() as connection:
        catalog = catalogs.get(connection, CATALOG)
    result = {
        "bench": "filters",
        "products": options.products,
        "database": database.url.get_backend_name(),
        "filled": filled,
        "search_ms": searches(database, catalog, options.count),
        "product_page_ms": pages(database, catalog, options.products, options.count),
        "ledger_page_ms": ledger_pages(database, options.products, options.count),
    }
    show({**result, **machine()}, as_json=options.json)


if __name__ == "__main__":
    main()
