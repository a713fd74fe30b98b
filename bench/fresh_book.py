"""What the freshness benchmark knows about each product, and so what an answer may contain.

Every write to a product has a number. A picture and a title show the number of the write that
set them; the attribute ``version`` shows that of the last write. A search submitted after a write
was acknowledged may show that write or a later one, but nothing older.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Kind = Literal["add", "replace", "patch", "delete"]
KINDS: tuple[Kind, ...] = ("add", "replace", "patch", "delete")


@dataclass(frozen=True)
class Change:
    """One write, number ``version`` of its product; ``due`` is a ``time.monotonic``."""

    kind: Kind
    product: int
    version: int
    due: float


class Shown(NamedTuple):
    """The numbers of the writes that set a hit's title, attributes and picture."""

    title: int
    attributes: int
    picture: int


@dataclass(frozen=True)
class Acknowledged:
    """A write acknowledged at ``at`` (monotonic) and committed by ``wall`` (epoch seconds).

    ``least`` is what a hit must show from then on; a deleted product must not be a hit.
    """

    change: Change
    at: float
    wall: float
    least: Shown


@dataclass
class _Product:
    live: bool = False
    busy: bool = False
    version: int = 0
    history: list[Acknowledged] = field(default_factory=list)


class Book:
    """The true state of every product; any thread may read and write."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._products: dict[int, _Product] = {}
        self._pictures: dict[str, int] = {}
        self._live: list[int] = []
        self._gone: list[int] = []
        self._next = 0

    def begin(self, kind: Kind, due: float, rng: random.Random, kept: int = 0) -> Change:
        """Begin a write to a product that suits the kind and has no write under way.

        Every second product added is one that was deleted before. Products below ``kept``
        are never deleted.
        """
        with self._lock:
            product = self._new(rng) if kind == "add" else self._any(rng, kept, kind == "delete")
            known = self._products.setdefault(product, _Product())
            known.busy, known.version = True, known.version + 1
            if kind in ("add", "replace"):
                self._pictures[picture_digest(product, known.version)] = known.version
            return Change(kind, product, known.version, due)

    def _new(self, rng: random.Random) -> int:
        if self._gone and rng.random() < 0.5:
            return self._gone.pop(rng.randrange(len(self._gone)))
        self._next += 1
        return self._next - 1

    def _any(self, rng: random.Random, kept: int, remove: bool) -> int:
        while True:
            at = rng.randrange(len(self._live))
            product = self._live[at]
            if self._products[product].busy or (remove and product < kept):
                continue
            if remove:
                self._live[at] = self._live[-1]
                self._live.pop()
            return product

    def acknowledge(self, change: Change, wall: float) -> Acknowledged:
        """Record that a write has just been acknowledged."""
        with self._lock:
            known = self._products[change.product]
            if change.kind == "patch":
                least = known.history[-1].least._replace(attributes=change.version)
            else:
                least = Shown(*[change.version + (change.kind == "delete")] * 3)
            known.busy, known.live = False, change.kind != "delete"
            done = Acknowledged(change, time.monotonic(), wall, least)
            known.history.append(done)
            if change.kind == "add":
                self._live.append(change.product)
            elif change.kind == "delete":
                self._gone.append(change.product)
            return done

    def shown(self, hit: dict[str, Any]) -> tuple[int, Shown]:
        """Return a hit's product and the writes it shows."""
        digest = hit["image_url"].rpartition("/")[2].partition(".")[0]
        with self._lock:
            picture = self._pictures[digest]
        title = int(hit["title"].rpartition(" ")[2])
        return int(hit["product_id"][1:]), Shown(title, hit["attributes"]["version"], picture)

    def fault(self, hit: dict[str, Any], submitted: float) -> str | None:
        """Return what is wrong with a hit of a search submitted then: deleted, stale or None."""
        product, shown = self.shown(hit)
        with self._lock:
            known = [e for e in self._products[product].history if e.at <= submitted]
        if not known or all(a >= b for a, b in zip(shown, known[-1].least, strict=True)):
            return None
        return "deleted" if known[-1].change.kind == "delete" else "stale"

    def due_by(self, product: int, fresh_to: float) -> Acknowledged | None:
        """Return a product's last write if it is finished and was committed before ``fresh_to``."""
        with self._lock:
            known = self._products[product]
            last = known.history[-1]
            return None if known.busy or last.wall >= fresh_to else last

    def overtaken(self, done: Acknowledged) -> bool:
        """Tell whether another write to the product has begun since."""
        with self._lock:
            return self._products[done.change.product].version > done.change.version

    def live(self) -> list[int]:
        """Return the products that exist now."""
        with self._lock:
            return list(self._live)


def picture_digest(product: int, version: int) -> str:
    """Return the digest of a picture that is never actually made."""
    return hashlib.sha256(f"{product} {version}".encode()).hexdigest()


def text_of(product: int, version: int) -> tuple[str, dict[str, Any]]:
    """Return the title and attributes of a write; a product's ``shelf`` never changes."""
    return f"product {product} version {version}", {
        "version": version,
        "shelf": f"s{product % 1000}",
    }
