"""The load of the upgrade benchmark: shoppers search, and a shopkeeper changes products."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from own_system import OwnSystem

from visearch.cli.client import Client
from visearch.errors import VisearchError

EVERY_S = 2.0
"""Seconds between two changes by the shopkeeper."""

Query = tuple[set[str], bytes]
"""The products that are correct answers, and the picture's bytes."""


@dataclass(frozen=True)
class Answer:
    """One search: its query's number, when it began (monotonic), its seconds, and its answer."""

    query: int
    began: float
    seconds: float
    encoder: str
    found: list[dict[str, Any]]

    def is_right(self, queries: list[Query]) -> bool:
        """Tell whether the first hit is correct."""
        return bool(self.found) and self.found[0]["product_id"] in queries[self.query][0]


def late(answers: list[Answer], encoder: str) -> int:
    """Count other encoders' answers to searches that began after ``encoder``'s first answer.

    There is one search worker, so once it has activated an encoder, only that one answers.
    """
    first = min(each.began + each.seconds for each in answers if each.encoder == encoder)
    return sum(each.encoder != encoder and each.began > first for each in answers)


class Shoppers:
    """Clients that search without pause until they are stopped."""

    def __init__(self, system: OwnSystem, catalog: str, queries: list[Query]) -> None:
        self._system, self._catalog, self._queries = system, catalog, queries
        self.answers: list[Answer] = []
        self.failed: list[str] = []
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, clients: int) -> None:
        """Start."""
        self._threads = [threading.Thread(target=self._shop, args=(n,)) for n in range(clients)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop once the searches under way are answered."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _shop(self, number: int) -> None:
        turn = number * 37
        with self._system.client() as client:
            while not self._over.is_set():
                turn += 1
                query, began = turn % len(self._queries), time.monotonic()
                # Bytes after a JPEG's end change its digest, not its pixels: no answer is cached.
                picture = self._queries[query][1] + f"{number}.{turn}".encode()
                try:
                    record = client.search(picture, catalog=self._catalog, limit=10)
                except VisearchError as error:
                    self.failed.append(repr(error))
                    continue
                if record["status"] != "succeeded":
                    self.failed.append(f"{record['status']}: {record['error']}")
                    continue
                seconds = time.monotonic() - began
                self.answers.append(
                    Answer(query, began, seconds, record["encoder"], record["results"])
                )


class Shopkeeper:
    """Adds and deletes products at intervals; knows what must be there."""

    def __init__(
        self, system: OwnSystem, catalog: str, spare: dict[str, bytes], doomed: list[str]
    ) -> None:
        self._system, self._catalog = system, catalog
        self._spare, self._doomed = list(spare.items()), list(doomed)
        self.added: dict[str, bytes] = {}
        self.deleted: dict[str, float] = {}
        self.refused: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep)

    def start(self) -> None:
        """Start."""
        self._thread.start()

    def stop(self) -> None:
        """Stop once the last change is complete."""
        self._over.set()
        self._thread.join()

    def _keep(self) -> None:
        with self._system.client() as client:
            while self._spare and self._doomed and not self._over.wait(EVERY_S):
                try:
                    self._change(client)
                except VisearchError as error:
                    self.refused.append(repr(error))

    def _change(self, client: Client) -> None:
        """Add a product, wait until it is searchable, and delete another."""
        where = f"/v1/catalogs/{self._catalog}"
        name, picture = self._spare.pop()
        files = {"image": ("p.jpg", picture)}
        client.finished_import(client.call("PUT", f"{where}/products/{name}", files=files))
        self.added[name] = picture
        gone = self._doomed.pop()
        client.call("DELETE", f"{where}/products/{gone}")
        self.deleted[gone] = time.monotonic()

    def lost(self) -> list[str]:
        """Return the added products that their own picture does not find."""
        with self._system.client() as client:
            answers = {
                name: client.search(picture, catalog=self._catalog, limit=20)
                for name, picture in self.added.items()
            }
        return [
            name
            for name, answer in answers.items()
            if name not in {hit["product_id"] for hit in answer["results"]}
        ]

    def undead(self, answers: list[Answer]) -> int:
        """Count the hits that had been deleted before their search began."""
        return sum(
            self.deleted.get(hit["product_id"], answer.began) < answer.began
            for answer in answers
            for hit in answer.found
        )
