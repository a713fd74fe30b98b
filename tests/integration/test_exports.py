"""Exports of shops as feeds, from hosts that are slow, failing, redirecting and busy in part.

``EXPORT_PRODUCTS`` is how many products each has; without it, a few.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from exports import FORMATS, WORDS, Goods, goods
from picture_server import Town
from shop import FETCHING
from system import System, eventually

PRODUCTS = int(os.environ.get("EXPORT_PRODUCTS", "30"))
CHANGED = 10
SHOP, HANGING, _, BUSY, *_ = FETCHING["fetch_allow"].split(",")
LIMIT_S = 60 + PRODUCTS


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    running = Town()
    yield running
    running.close()


class Street:
    """The hosts of a shop's pictures, and what comes of each of their URLs."""

    def __init__(self, town: Town) -> None:
        self.shop, self.busy = town.host(SHOP), town.host(BUSY)
        self.hosts = [self.shop, self.busy]
        self.fates: dict[str, str | None] = {}

    def picture(self, number: int) -> str:
        """Return the URL of a picture; of 40, nine are not as simple as the others."""
        shop, busy = self.shop, self.busy
        odd = {
            3: (shop.url(f"/healing/404/{number}"), "url_not_found"),
            9: (shop.url(f"/to/{shop.url(f'/drawn/{number}')}"), None),
            14: (shop.url(f"/brief/{number}"), None),
            17: (busy.url(f"/busy-once/{number}"), None),
            21: (shop.url(f"/healing/page/{number}"), "url_not_a_picture"),
            26: (busy.url(f"/down-once/{number}"), None),
            30: (shop.url(f"/healing/500/{number}"), "url_error"),
            33: (busy.url(f"/drawn/{number}"), None),
            37: (shop.url(f"/known/{number}"), None),
        }
        url, fate = odd.get(number % 40, (shop.url(f"/drawn/{number}"), None))
        self.fates[url] = fate
        return url

    def asked(self) -> Counter[str]:
        """Return how often each URL was asked for so far."""
        return Counter(host.url(path) for host in self.hosts for path, _ in host.asked)


@pytest.fixture(scope="module")
def street(town: Town) -> Street:
    return Street(town)


def run(system: System, path: str) -> dict[str, object]:
    """Run a feed to its end."""
    place = system.http.post(f"{path}/run").raise_for_status().headers["location"]

    def ended() -> dict[str, object] | None:
        now = dict(system.http.get(place).json())
        return now if now["finished_at"] else None

    return eventually(ended, seconds=LIMIT_S, what="the end of a run") or {}


def difference(found: dict[str, object]) -> dict[str, int]:
    counts = found["difference"]
    assert isinstance(counts, dict)
    return {name: count for name, count in counts.items() if count}


@pytest.mark.timeout(3 * LIMIT_S)
@pytest.mark.parametrize("name", FORMATS)
def test_an_export_is_imported_and_kept_up_to_date(
    system: System, street: Street, name: str
) -> None:
    file, write = FORMATS[name]
    first = 10_000 * (1 + list(FORMATS).index(name))
    pictures = iter(range(first, first + 10 * PRODUCTS))
    street.shop.sick = True
    shelf = [
        goods(n, [street.picture(next(pictures)) for _ in range(1 + n % 3)])
        for n in range(PRODUCTS)
    ]
    named = [url for one in shelf for url in one.pictures]
    failing = {one.id for one in shelf if any(street.fates[url] for url in one.pictures)}
    catalog = system.create_catalog(f"export-{name}")
    path = f"/v1/catalogs/{catalog}/feeds/main"
    url = street.shop.url(f"/file/{name}/{file}")
    system.http.put(path, json={"url": url, "mode": "replace"}).raise_for_status()
    street.shop.files[f"{name}/{file}"] = write(shelf)

    begun = time.monotonic()
    found = run(system, path)
    print(f"{name}: {len(named)} pictures in {time.monotonic() - begun:.0f} s")
    assert difference(found) == {"added": PRODUCTS, "failed": len(failing)}, found
    items = system.api.pages(f"/v1/catalogs/{catalog}/imports/{found['import_id']}/items")
    assert {item["path"]: item["code"] for item in items} == {u: street.fates[u] for u in named}
    check_products(system, catalog, shelf, street)

    street.shop.sick = False
    before = street.asked()
    found = run(system, path)
    assert difference(found) == {"changed": len(failing), "unchanged": PRODUCTS - len(failing)} or (
        difference(found)["added"] + difference(found).get("changed", 0) == len(failing)
    ), found
    again = {u for one in shelf if one.id in failing for u in one.pictures}
    assert fetched(street, before) == again | {url}
    check_products(system, catalog, shelf, street)

    before = street.asked()
    assert run(system, path)["status"] == "unchanged"
    assert fetched(street, before) == {url}

    changed = [one.changed() if n < CHANGED else one for n, one in enumerate(shelf)]
    street.shop.files[f"{name}/{file}"] = write(changed)
    before = street.asked()
    found = run(system, path)
    assert difference(found) == {"changed": CHANGED, "unchanged": PRODUCTS - CHANGED}, found
    assert fetched(street, before) == {u for one in shelf[:CHANGED] for u in one.pictures} | {url}
    check_products(system, catalog, changed, street)


def fetched(street: Street, before: Counter[str]) -> set[str]:
    """Return the URLs named by products, and the feed's, that were asked for since."""
    new = street.asked() - before
    known = {*street.fates}
    return {url for url in new if url in known or "/file/" in url}


def check_products(system: System, catalog: str, shelf: list[Goods], street: Street) -> None:
    """Hold what the catalog has against what the shop has."""
    there = {each["id"]: each for each in system.api.pages(f"/v1/catalogs/{catalog}/products")}
    for one in shelf:
        good = [u for u in one.pictures if not (street.shop.sick and street.fates[u])]
        if not good:
            assert one.id not in there
            continue
        product = there[one.id]
        assert (product["title"], product["attributes"]["price"]) == (one.title, one.price)
        assert product["description"] == one.description
        assert len(product["images"]) == len(good), (one, product)
        if one.sizes and WORDS[one.language][2] in product["attributes"]:
            assert product["attributes"][WORDS[one.language][2]] == as_said(one.sizes)


def as_said(sizes: tuple[str, ...]) -> object:
    return sizes[0] if len(sizes) == 1 else list(sizes)
