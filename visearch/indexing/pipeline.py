"""What every indexing step needs: database, blobs, settings and two ways to speak up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from visearch.settings import Settings
from visearch.store import outbox
from visearch.store.blobs import Blobs
from visearch.store.database import Database

Announce = Callable[[int], None]
"""``announce(catalog_pk)`` tells search workers that a catalog has changed."""


@dataclass(frozen=True)
class Pipeline:
    """The adapters of the indexing use case."""

    database: Database
    blobs: Blobs
    settings: Settings
    send: outbox.Send
    announce: Announce

    def flush(self) -> int:
        """Send the messages that committed transactions left; returns how many."""
        return outbox.flush(self.database, self.send)
