"""Clients that search, write and delete all the time, and write down what they sent and saw.

What they wrote down is held against the promises (docs/reliability.md) when the storm is over.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
from system import System, archive, eventually, picture

STOCK, CHANGING = "stock", "changing"
"""A catalog that no client changes, and one that they all change."""

SEEDS = range(24)
PER_UPLOAD = 6
GRACE_S = 2.0
"""So long after its deadline at the latest, a search has its end, as it says itself."""

TELLING_S = 8.0
"""So long after that a client is told of it, where web is there all the time."""

FRESH_S = 2.0
"""A product deleted this long before a search was sent is in no answer."""

PAUSE_S = 0.2
"""So long a client rests after a search. Those that do not leave no core for what is restarted."""

_numbers = itertools.count(1000, PER_UPLOAD)
_ENDS = ("created", "finished")
PASSING = {"dependency_unavailable", "overloaded"}


@dataclass
class Seen:
    """What the clients saw. ``wrong`` is what breaks a promise."""

    searches: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    imports: list[dict[str, Any]] = field(default_factory=list)
    written: dict[str, int] = field(default_factory=dict)
    """Products acknowledged and not deleted since, with the seeds of their pictures."""
    doomed: set[str] = field(default_factory=set)
    """Products whose deletion was asked for, whatever was answered."""
    deleted: dict[str, float] = field(default_factory=dict)
    """When the deletion of a product was acknowledged."""
    wrong: list[str] = field(default_factory=list)


class Storm:
    """Clients of one system, at work between ``begin`` and ``end``."""

    def __init__(
        self, system: System, *, searchers: int = 3, writers: int = 1, web_away_s: float = 0.0
    ) -> None:
        self._system, self._stop, self.seen = system, threading.Event(), Seen()
        self._end_s = system.settings.search_deadline_s + GRACE_S
        self._told_s = self._end_s + TELLING_S + web_away_s
        self._clients = [*[self._search] * searchers, *[self._write] * writers]
        self._pool = ThreadPoolExecutor(len(self._clients))
        self._running: list[Future[None]] = []

    def prepare(self) -> None:
        """Fill the catalog that is searched."""
        self._system.create_catalog(CHANGING)
        files = [(f"s{seed}.jpg", picture(seed, side=96)) for seed in SEEDS]
        record = self._system.upload(self._system.create_catalog(STOCK), archive(files))
        assert self._system.finish(record)["counts"]["searchable"] == len(SEEDS)
        eventually(lambda: self._search_stock(self._system.http, 0) == "succeeded", what="a hit")

    @contextlib.contextmanager
    def blowing(self) -> Iterator[Seen]:
        """Let the clients work for the time of the block; then see whether all is as promised."""
        for number, client in enumerate(self._clients):
            self._running.append(self._pool.submit(self._run, client, number))
        try:
            yield self.seen
        finally:
            self._stop.set()
            for each in self._running:
                each.result(120)
            self._pool.shutdown()
        self._check()

    def _run(self, client: Callable[[httpx.Client, random.Random], None], number: int) -> None:
        chance = random.Random(number)
        with self._system.open_http() as http:
            while not self._stop.is_set():
                client(http, chance)

    def _search(self, http: httpx.Client, chance: random.Random) -> None:
        outcome = self._search_stock(http, chance.choice(SEEDS))
        self.seen.searches[outcome] += 1
        self._stop.wait(PAUSE_S)

    def _search_stock(self, http: httpx.Client, seed: int) -> str:
        begun = time.monotonic()
        try:
            return self._searched(http, seed)
        except httpx.TransportError as error:
            return f"unreachable: {type(error).__name__}"
        finally:
            spent = time.monotonic() - begun
            if spent > self._told_s:
                self._complain(f"a search had no end after {spent:.0f} s")

    def _searched(self, http: httpx.Client, seed: int) -> str:
        answer = http.post(
            "/v1/searches",
            files={"image": ("q.jpg", picture(seed, side=96))},
            data={"catalog": STOCK, "limit": "1", "min_score": _unlike_any_other()},
            headers={"Prefer": "wait=10"},
        )
        end = time.monotonic() + self._told_s
        while True:
            body = answer.json()
            if answer.status_code >= 400:
                return self._refused(answer)
            if body["status"] not in ("queued", "running"):
                break
            if time.monotonic() > end:
                self._complain(f"without an end: {body}")
                return "without an end"
            answer = http.get(f"/v1/searches/{body['id']}", headers={"Prefer": "wait=5"})
        created, finished = (datetime.fromisoformat(body[f"{of}_at"]) for of in _ENDS)
        if (finished - created).total_seconds() > self._end_s:
            self._complain(f"it ended late: {body}")
        if body["status"] != "succeeded":
            return f"{body['status']}: {(body.get('error') or {}).get('code')}"
        if [hit["product_id"] for hit in body["results"]] != [f"s{seed}"]:
            self._complain(f"the wrong answer for s{seed}: {body}")
        return "succeeded"

    def _refused(self, answer: httpx.Response) -> str:
        code = str(answer.json().get("code"))
        if answer.status_code >= 500 and code not in PASSING:
            self._complain(f"{answer.status_code}: {answer.text}")
        return f"{answer.status_code} {code}"

    def _complain(self, what: str) -> None:
        """Note what breaks a promise; a storm is long, and its log ought to tell when it was."""
        self.seen.wrong.append(what)
        print(f"{datetime.now():%H:%M:%S} {what}", flush=True)

    def _write(self, http: httpx.Client, chance: random.Random) -> None:
        """Upload some products, delete some others, look whether a deleted one is still found."""
        first = next(_numbers)
        seeds = range(first, first + PER_UPLOAD)
        files = [(f"c{seed}.jpg", picture(seed, side=96)) for seed in seeds]
        try:
            answer = http.post(
                f"/v1/catalogs/{CHANGING}/imports",
                content=archive(files),
                headers={"Content-Type": "application/zip"},
            )
            self.seen.writes[str(answer.status_code)] += 1
            if answer.status_code == 202:
                self.seen.imports.append(answer.json())
                self.seen.written |= {f"c{seed}": seed for seed in seeds}
            else:
                self._refused(answer)
            if len(self.seen.written) > 4 * PER_UPLOAD:
                self._delete(http, chance.choice([*self.seen.written]))
        except httpx.TransportError as error:
            self.seen.writes[f"unreachable: {type(error).__name__}"] += 1
        self._stop.wait(0.5)

    def _delete(self, http: httpx.Client, product: str) -> None:
        del self.seen.written[product]
        self.seen.doomed.add(product)
        answer = http.delete(f"/v1/catalogs/{CHANGING}/products/{product}")
        if answer.status_code == 204:
            self.seen.deleted[product] = time.monotonic()
        elif answer.status_code != 404:  # not yet written: its import may still bring it
            self._refused(answer)
        for gone, at in [*self.seen.deleted.items()][-5:]:
            if time.monotonic() - at > FRESH_S:
                found = http.post(
                    "/v1/searches",
                    files={"image": ("q.jpg", picture(int(gone[1:]), side=96))},
                    data={"catalog": CHANGING, "limit": "5"},
                    headers={"Prefer": "wait=10"},
                ).json()
                if gone in [hit["product_id"] for hit in found.get("results") or []]:
                    self._complain(f"the deleted product {gone} was found: {found}")

    def _check(self) -> None:
        """Hold what was written down against what is there now."""
        seen, system = self.seen, self._system
        eventually(system.api.ready, seconds=60, what="a system that is ready")
        assert seen.wrong == [], seen.wrong
        for record in seen.imports:
            done = system.finish(record)
            failed = {
                item["product_id"]: item["code"]
                for item in (system.items(record, status="failed") if done["error"] is None else [])
            }
            assert failed.keys() <= seen.doomed, (done, failed)
            assert done["counts"]["items"] == PER_UPLOAD, done
        there = {each["id"] for each in system.api.pages(f"/v1/catalogs/{CHANGING}/products")}
        assert seen.written.keys() - there == set(), "acknowledged and lost"
        assert seen.deleted.keys() & there == set(), "deleted and there again"
        chance = random.Random(0)
        for product in chance.sample(sorted(seen.written), min(5, len(seen.written))):
            eventually(lambda product=product: self._finds(product), what=f"{product} in an answer")
        print(f"searches: {dict(seen.searches)}; uploads: {dict(seen.writes)}")

    def _finds(self, product: str) -> bool:
        found = self._system.search(picture(int(product[1:]), side=96), CHANGING, limit=5)
        return product in [hit["product_id"] for hit in found["results"]]


def _unlike_any_other() -> str:
    """Return a least score that changes no answer, and keeps it from being a cached one."""
    return str(random.uniform(-1.0, -0.5))
