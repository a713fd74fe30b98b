"""The searches of the freshness benchmark: clients check every hit, and probers time changes."""

from __future__ import annotations

import contextlib
import queue
import random
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fresh_book import Acknowledged, Book, text_of
from own_system import OwnSystem

from visearch.errors import VisearchError

PAGE = 100
GIVE_UP_S = 30.0
EXAMPLES = 5


@dataclass
class Findings:
    """What the searches showed; times in seconds.

    ``late``: an exact answer lacks a change committed before its ``fresh_to``. ``unfound``: the
    same for an answer that is exact only up to the promised recall.
    """

    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("succeeded", "cached", "failed", "deleted", "stale", "late", "unfound", "lost"), 0
        )
    )
    latencies: list[float] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    seen: dict[str, list[float]] = field(default_factory=dict)
    generations: set[str | None] = field(default_factory=set)
    examples: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, example: object = None) -> None:
        """Count a finding; keep the first few examples."""
        with self._lock:
            self.counts[name] += 1
            if example is not None and len(self.examples) < EXAMPLES:
                self.examples.append(f"{name}: {example}")

    def saw(self, kind: str, seconds: float) -> None:
        """Record how long it took until a search showed a change."""
        with self._lock:
            self.seen.setdefault(kind, []).append(seconds)


class Asker:
    """Searches over HTTP and checks each hit; one per thread."""

    def __init__(self, system: OwnSystem, catalog: str, book: Book, findings: Findings) -> None:
        self._client, self._catalog = system.client(), catalog
        self._book, self._findings = book, findings

    def by_picture(self, picture: bytes) -> None:
        """Search with a picture."""
        fields = {"catalog": self._catalog, "limit": "10"}
        self._ask(files={"image": ("q.jpg", picture)}, data=fields)

    def like(self, product: int) -> None:
        """Search for more like a product; it must be found itself."""
        answer = self._ask(json=self._like(product, limit=10))
        if answer is None:
            return
        found = {self._book.shown(hit)[0] for hit in answer["results"]}
        if self._book.due_by(product, _fresh_to(answer)) and product not in found:
            self._findings.add("unfound", f"{product} {answer['index']}")

    def shelf(self, like: int, product: int) -> dict[str, Any] | None:
        """Search the shelf of ``product``; exactly the products on it must be found."""
        _, attributes = text_of(product, 0)
        where = {"shelf": attributes["shelf"]}
        answer = self._ask(json={**self._like(like, limit=PAGE), "filter": where})
        if answer is None:
            return None
        shown = [self._book.shown(hit) for hit in answer["results"]]
        last = self._book.due_by(product, _fresh_to(answer))
        if last is not None and len(shown) < PAGE:
            there = any(p == product and s >= last.least for p, s in shown)
            if there == (last.change.kind == "delete"):
                self._findings.add("late", f"{last} {answer['index']}")
        return answer

    def _like(self, product: int, limit: int) -> dict[str, Any]:
        return {"catalog": self._catalog, "product": {"id": f"p{product}"}, "limit": limit}

    def _ask(self, **request: Any) -> dict[str, Any] | None:
        """Search and check the answer; return it, or None if the search failed."""
        submitted = time.monotonic()
        try:
            record = self._client.finished_search(**request)
        except VisearchError as error:
            self._findings.add("failed", repr(error))
            return None
        self._findings.latencies.append(time.monotonic() - submitted)
        if record["status"] != "succeeded":
            self._findings.add("failed", f"{record['status']} {record['error']}")
            return None
        self._check(record, submitted)
        return record

    def _check(self, answer: dict[str, Any], submitted: float) -> None:
        findings = self._findings
        findings.add("succeeded")
        findings.generations.add(answer["index"]["generation"])
        if answer["cached"]:
            findings.add("cached")
        else:
            findings.ages.append(time.time() - _fresh_to(answer))
        for hit in answer["results"]:
            if fault := self._book.fault(hit, submitted):
                findings.add(fault, f"{hit} {answer['index']}")


def _fresh_to(answer: dict[str, Any]) -> float:
    return datetime.fromisoformat(answer["index"]["fresh_to"]).timestamp()


class Crowd:
    """Threads: clients that search continuously, and probers that time changes."""

    def __init__(
        self, system: OwnSystem, catalog: str, book: Book, pictures: list[bytes], kept: int
    ) -> None:
        self.findings = Findings()
        self._system, self._catalog, self._book = system, catalog, book
        self._pictures, self._kept = pictures, kept
        # Short, because the time a change waits for its prober would be counted.
        self._samples: queue.Queue[Acknowledged] = queue.Queue(maxsize=1)
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, clients: int, probers: int, pause: float) -> None:
        """Start; a client rests for ``pause`` seconds after each search."""
        self._threads = [
            threading.Thread(target=self._search, args=(pause, seed)) for seed in range(clients)
        ]
        self._threads += [threading.Thread(target=self._probe) for _ in range(probers)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop once the searches under way are answered."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def offer(self, change: Acknowledged) -> None:
        """Have a change timed if a prober is free."""
        with contextlib.suppress(queue.Full):
            self._samples.put_nowait(change)

    def asker(self) -> Asker:
        """Return an asker for one thread."""
        return Asker(self._system, self._catalog, self._book, self.findings)

    def _search(self, pause: float, seed: int) -> None:
        """Search with pictures, for popular products, and through shelves."""
        rng, asker = random.Random(seed), self.asker()
        while not self._over.wait(pause):
            turn = rng.randrange(3)
            if turn == 0:
                # Bytes after a JPEG's end change its digest, not its pixels: no answer is cached.
                asker.by_picture(rng.choice(self._pictures) + str(rng.random()).encode())
            elif turn == 1:
                asker.like(rng.randrange(self._kept))
            else:
                asker.shelf(rng.randrange(self._kept), rng.choice(self._book.live()))

    def _probe(self) -> None:
        asker = self.asker()
        while not self._over.is_set():
            with contextlib.suppress(queue.Empty):
                self._time(asker, self._samples.get(timeout=0.2))

    def _time(self, asker: Asker, done: Acknowledged) -> None:
        """Search until the change is seen; give up if another change has overtaken it."""
        product, kind = done.change.product, done.change.kind
        while time.time() < done.wall + GIVE_UP_S:
            answer = asker.shelf(product % self._kept, product)
            shown = [self._book.shown(hit) for hit in answer["results"]] if answer else []
            there = any(p == product and s >= done.least for p, s in shown)
            if answer is not None and there != (kind == "delete"):
                self.findings.saw(kind, time.time() - done.wall)
                return
            if self._over.is_set() or self._book.overtaken(done):
                return
        self.findings.add("lost", done)
