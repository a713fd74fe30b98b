"""An indexing backend in one process, for tests that decide themselves who runs when."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import databases
import numpy as np
import numpy.typing as npt

from visearch import private
from visearch.backend import LoneBackend
from visearch.contract import DECODE_CHUNK, EMBED_CHUNK, PLAN_IMPORT
from visearch.encoders.spec import resolve
from visearch.errors import NotFound
from visearch.importing.accept import Mode, accept_file, accept_product
from visearch.importing.decode import decode_chunk
from visearch.importing.embed import embed_chunk
from visearch.importing.planning import plan
from visearch.records import Import, Product
from visearch.settings import Settings
from visearch.store import catalogs, chunks, claims, imports, ledger, products
from visearch.store.blobs import Blobs
from visearch.store.claims import Claim
from visearch.store.database import Database
from visearch.store.migrate import migrate
from visearch.store.outbox import Send

Message = tuple[str, dict[str, Any]]


class FlatEncoder:
    """Embeds a picture as itself, shrunk: enough to tell pictures apart, at no cost."""

    def __init__(self) -> None:
        spec = resolve("bundled")
        self.fingerprint, self.size = spec.fingerprint, spec.preprocess.size
        self._dimension = spec.dimension

    def embed_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        flat = pixels.reshape(len(pixels), -1)[:, : self._dimension].astype(np.float32) + 1
        return np.asarray(flat / np.linalg.norm(flat, axis=1, keepdims=True), np.float32)


class ManualSystem:
    """Queues are a list; a test runs, repeats, delays or drops its messages."""

    opened: ClassVar[list[ManualSystem]] = []

    def __init__(self, home: Path, **settings: Any) -> None:
        self.opened.append(self)
        self.settings = Settings(home=home, **(databases.settings() | settings))
        private.make_folder(home)
        self.queue: list[Message] = []
        self.sender: Send = self._send
        self.backend = LoneBackend(
            self.settings, lambda task, payload, queue=None: self.sender(task, payload, queue)
        )
        migrate(self.database)
        self.encoder = FlatEncoder()

    @property
    def database(self) -> Database:
        return self.backend.database

    @property
    def blobs(self) -> Blobs:
        return self.backend.blobs

    def _send(self, task: str, payload: Mapping[str, Any], queue: str | None = None) -> None:
        self.queue.append((task, dict(payload)))

    def catalog(self, name: str) -> str:
        """Create a catalog."""
        spec = resolve("bundled")
        with self.database.write() as connection:
            catalogs.create(
                connection,
                name,
                title=name,
                metric="cosine",
                encoder="bundled",
                fingerprint=spec.fingerprint,
                dimension=spec.dimension,
            )
        return name

    def put(self, catalog: str, product_id: str, data: bytes | str, **text: Any) -> Import:
        """Accept one product."""
        record = accept_product(
            self.backend, catalog, product_id, [data], request_id="test", **text
        )
        self.backend.flush()
        return record

    def product(self, catalog: str, product_id: str) -> Product | None:
        """Return a product as it stands."""
        with self.database.read() as connection:
            try:
                return products.get(connection, catalogs.get(connection, catalog), product_id)
            except NotFound:
                return None

    def accept(
        self, catalog: str, data: bytes, mode: Mode = "upsert", guard: float | None = None
    ) -> Import:
        """Accept an archive."""
        parts = iter(lambda: source.read(1 << 20), b"")
        source = io.BytesIO(data)
        record = accept_file(
            self.backend, catalog, parts, mode=mode, request_id="test", guard=guard
        )
        self.backend.flush()
        return record

    def run(self, message: Message, worker: str = "w") -> None:
        """Do what a worker does with one message; its errors come out."""
        task, payload = message
        if task == PLAN_IMPORT:
            plan(self.backend, payload, worker)
            return
        claim = self.claim(message, worker)
        if claim is None:
            return
        if task == DECODE_CHUNK:
            decode_chunk(self.backend, claim)
        else:
            embed_chunk(self.backend, lambda _: self.encoder, claim)

    def claim(self, message: Message, worker: str = "w") -> Claim | None:
        """Claim a chunk by a message; a test may then be slow to work on it."""
        task, payload = message
        stage = {DECODE_CHUNK: chunks.DECODE, EMBED_CHUNK: chunks.EMBED}[task]
        with self.database.write() as connection:
            return claims.take(connection, stage, payload, worker)

    def take(self, task: str) -> list[Message]:
        """Take every queued message of one task."""
        taken = [m for m in self.queue if m[0] == task]
        self.queue = [m for m in self.queue if m[0] != task]
        return taken

    def drain(self) -> None:
        """Run messages until the queue is empty."""
        while self.queue:
            self.run(self.queue.pop(0))

    def read(self, record: Import) -> Import:
        """Return an import as it stands."""
        with self.database.read() as connection:
            return imports.by_id(connection, record.id)

    def codes(self, record: Import) -> list[str | None]:
        """Return the code of every item, in file order."""
        with self.database.read() as connection:
            return [i.code for i in ledger.items(connection, self.read(record), limit=100_000)]
