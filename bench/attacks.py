"""How long each hostile URL or answer keeps the fetcher, and how much memory it takes.

The hosts are those of the tests (tests/unit/fetching), the limits those of the settings. The whole
takes two minutes, because some are cut short by a time limit.

    python bench/attacks.py --json
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

from common import machine, show

from visearch.fetching import Failed, Fetcher, Limits, Wanted

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "unit" / "fetching"))

from picture_server import INSIDE, NAMES, SETTINGS, SHOP, Town

ATTACKS = {
    "cloud metadata": "http://169.254.169.254/latest/meta-data/",
    "the same as a number": "http://2852039166/latest/meta-data/",
    "the same as IPv6": "http://[::ffff:169.254.169.254]/",
    "the same by name": "http://metadata.example/latest/meta-data/",
    "this machine": "http://{inside}/picture",
    "a name of a private address": "http://inside.example:{port}/picture",
    "a name that changes its address": "http://rebinding.example:{shop_port}/cut",
    "a redirect inward": "{shop}/to/http://{inside}/picture",
    "redirects without end": "{shop}/on/0",
    "a body without end": "{shop}/endless",
    "a slow body": "{shop}/slow",
    "a gzip bomb": "{shop}/bomb",
    "headers without end": "{shop}/headers",
    "slow headers": "{shop}/slow-headers",
    "no answer": "{shop}/hang",
    "a web page called a picture": "{shop}/page",
}


def rebinding(host: str) -> list[str]:
    """Give a harmless address first, and then one inside."""
    if host != "rebinding.example":
        return NAMES[host]
    _asked.append(host)
    return [SHOP] if len(_asked) == 1 else [INSIDE]


_asked: list[str] = []


def attack(fetcher: Fetcher, url: str) -> dict[str, Any]:
    """Fetch one; returns its code, seconds and the peak of Python's memory in MB."""
    tracemalloc.start()
    begun = time.perf_counter()
    outcome = fetcher.fetch(Wanted(url))
    spent, (_, peak) = time.perf_counter() - begun, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    code = outcome.error.code if isinstance(outcome, Failed) else None
    return {"code": code, "seconds": round(spent, 3), "peak_mb": round(peak / 1e6, 2)}


def main() -> None:
    """Run every attack and show the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    town = Town()
    shop, inside = town.host(SHOP), town.host(INSIDE)
    places = {
        "shop": shop.url(""),
        "shop_port": shop.port,
        "inside": f"{INSIDE}:{inside.port}",
        "port": inside.port,
    }
    table = {}
    for name, url in ATTACKS.items():
        # One fetcher each: a host that misbehaves is left alone for a while.
        with Fetcher(SETTINGS, limits=Limits(), lookup=rebinding) as fetcher:
            if "rebinding" in url:
                attack(fetcher, url.format(**places))
            table[name] = attack(fetcher, url.format(**places))
    result = {"machine": machine(), "attacks": table, "asked_inside": inside.connections}
    town.close()
    show(result, as_json=arguments.json)


if __name__ == "__main__":
    main()
