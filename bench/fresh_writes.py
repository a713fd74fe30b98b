"""The changes of the freshness benchmark: pictures as the embed role commits them, text over HTTP.

The steps before embedding are skipped: a chunk is written as if it had been decoded, and a
stand-in for the encoder returns its vectors at once. Everything after that is the embed role's
own code: claim, segment, commit, announcement.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from fresh_book import KINDS, Acknowledged, Book, Change, picture_digest, text_of
from own_system import OwnSystem

from visearch.backend import Backend
from visearch.contract import ChunkPayload
from visearch.encoders.spec import resolve
from visearch.errors import DependencyUnavailable
from visearch.importing.embed import embed_chunk
from visearch.index.scoring import are_unit
from visearch.records import PlannedItem
from visearch.store import catalogs, chunks, claims, imports, ledger
from visearch.store.schema import chunks as chunks_table

SPREAD = 0.6
"""Length of the noise around a centre of length 1."""

GATHER_S = 0.05
TEXT_WRITERS = 4


class Beforehand:
    """A stand-in for the bundled encoder: a one-pixel picture's value is its product's number."""

    size = 1

    def __init__(self, centres: npt.NDArray[np.float32]) -> None:
        self.fingerprint = resolve("bundled").fingerprint
        self._centres, self._rng = centres, np.random.default_rng(0)

    def embed_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return a unit vector float32 [n, d] near the centre of each product's cluster."""
        products = pixels.reshape(len(pixels), 3).astype(np.int64) @ [1, 256, 65_536]
        noise = _unit(self._rng.standard_normal((len(products), self._centres.shape[1])))
        vectors = _unit(self._centres[products % len(self._centres)] + SPREAD * noise)
        assert are_unit(vectors).all()
        return vectors


def _unit(vectors: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / norms, np.float32)


class _Timed(Backend):
    """A backend that records when a commit was announced."""

    committed = 0.0

    def announce(self, catalog_pk: int) -> None:
        """Announce, and record when."""
        self.committed = time.time()
        super().announce(catalog_pk)


class Pictures:
    """Adds and replaces products by committing chunks; for one thread."""

    def __init__(self, system: OwnSystem, catalog: str, book: Book, encoder: Beforehand) -> None:
        self._catalog, self._book, self._encoder = catalog, book, encoder
        self._backend = _Timed(system.settings, _leave)

    def write(self, changes: Sequence[Change]) -> list[Acknowledged]:
        """Commit one chunk of changes."""
        name = self._accept(changes)
        message = ChunkPayload(import_id=name, chunk=0, attempt=1, request_id="bench")
        with self._backend.database.write() as connection:
            claim = claims.take(connection, chunks.EMBED, message, "bench")
        assert claim is not None
        embed_chunk(self._backend, lambda _: self._encoder, claim)
        with self._backend.database.read() as connection:
            done = imports.by_id(connection, name)
        if done.status != "succeeded":
            raise SystemExit(f"A chunk of changes ended as {done.status}: {done.counts}")
        return [self._book.acknowledge(change, self._backend.committed) for change in changes]

    def _accept(self, changes: Sequence[Change]) -> str:
        """Write an import whose only chunk is already decoded, without sending a message."""
        numbers = np.array([change.product for change in changes])[:, None]
        pixels = (numbers >> [0, 8, 16] & 255).astype(np.uint8)
        with self._backend.database.write() as connection:
            catalog = catalogs.get(connection, self._catalog)
            record = imports.create(
                connection, catalog, mode="upsert", media="blobs", source="", request_id="bench"
            )
            ledger.add_items(connection, record.pk, 0, [(0, _item(c)) for c in changes])
            ledger.update_items(connection, record.pk, [_made(*c) for c in enumerate(changes)])
            chunks.add(connection, record.pk, [0])
            decoded = {"stage": chunks.EMBED, "state": "sent", "pixels": f"bench-{record.pk}"}
            connection.execute(
                sa.update(chunks_table)
                .where(chunks_table.c.import_pk == record.pk)
                .values(**decoded, fingerprint=catalog.fingerprint)
            )
            imports.start(connection, record.pk, len(changes))
            imports.count(connection, record.pk, fetched=len(changes), decoded=len(changes))
            self._backend.blobs.put(f"pixels/bench-{record.pk}", pixels.tobytes())
        return record.id


def _leave(task: str, payload: Mapping[str, Any], queue: str | None = None) -> None:
    raise DependencyUnavailable("This is a benchmark; the reconciler sends what is in the outbox.")


def _item(change: Change) -> PlannedItem:
    title, attributes = text_of(change.product, change.version)
    name = f"p{change.product}"
    return PlannedItem(
        path=name,
        product_id=name,
        position=0,
        title=title,
        url=None,
        attributes=attributes,
        locator={},
        size=1,
    )


def _made(item: int, change: Change) -> dict[str, Any]:
    digest = picture_digest(change.product, change.version)
    return {"item": item, "stage": "embed", "sha256": digest, "thumbnail": digest}


def write_text(client: httpx.Client, catalog: str, book: Book, change: Change) -> Acknowledged:
    """Patch the attributes of a product, or delete it, over HTTP."""
    where = f"/v1/catalogs/{catalog}/products/p{change.product}"
    if change.kind == "delete":
        answer = client.delete(where)
    else:
        _, attributes = text_of(change.product, change.version)
        answer = client.patch(where, json={"attributes": attributes})
    answer.raise_for_status()
    return book.acknowledge(change, time.time())


class Writers:
    """Makes changes at a steady rate, the four kinds in turn, however long each one takes.

    ``offer`` is called with every acknowledged change. ``lags`` are the seconds from the time a
    change was due until it was acknowledged.
    """

    def __init__(
        self,
        system: OwnSystem,
        catalog: str,
        book: Book,
        pictures: Pictures,
        offer: Callable[[Acknowledged], None],
    ) -> None:
        self._system, self._catalog, self._book = system, catalog, book
        self._pictures, self._offer = pictures, offer
        self._for_pictures: queue.Queue[Change | None] = queue.Queue()
        self._for_text: queue.Queue[Change | None] = queue.Queue()
        self.lags: list[float] = []
        self.counts = dict.fromkeys(KINDS, 0)
        self.errors: list[str] = []

    def run(self, rate: float, seconds: float, kept: int) -> float:
        """Write for ``seconds``; return the seconds until the last change was acknowledged."""
        threads = [threading.Thread(target=self._write_pictures)]
        threads += [threading.Thread(target=self._write_text) for _ in range(TEXT_WRITERS)]
        for thread in threads:
            thread.start()
        rng, start = random.Random(0), time.monotonic()
        for number in range(round(rate * seconds)):
            due = start + number / rate
            time.sleep(max(0.0, due - time.monotonic()))  # until it is due
            kind = KINDS[number % len(KINDS)]
            change = self._book.begin(kind, due, rng, kept)
            (self._for_text if kind in ("patch", "delete") else self._for_pictures).put(change)
        self._for_pictures.put(None)
        for _ in range(TEXT_WRITERS):
            self._for_text.put(None)
        for thread in threads:
            thread.join()
        return time.monotonic() - start

    def _write_pictures(self) -> None:
        while (first := self._for_pictures.get()) is not None:
            time.sleep(GATHER_S)  # as a chunk of an import gathers changes that arrive together
            batch: list[Change] = [first]
            while not self._for_pictures.empty():
                change = self._for_pictures.get()
                if change is None:
                    self._for_pictures.put(None)
                    break
                batch.append(change)
            self._note(self._pictures.write(batch))

    def _write_text(self) -> None:
        with self._system.open_http() as client:
            while (change := self._for_text.get()) is not None:
                try:
                    self._note([write_text(client, self._catalog, self._book, change)])
                except httpx.HTTPError as error:  # the product gets no further changes
                    self.errors.append(f"{change}: {error!r}")

    def _note(self, done: list[Acknowledged]) -> None:
        for each in done:
            self.lags.append(each.at - each.change.due)
            self.counts[each.change.kind] += 1
        for each in random.sample(done, len(done)):  # not only a chunk's first is timed
            self._offer(each)
