"""What every indexing step needs: database, blobs, settings and two ways to speak up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from visearch.errors import DependencyUnavailable
from visearch.settings import Settings
from visearch.store import outbox
from visearch.store.blobs import Blobs
from visearch.store.database import Database

log = structlog.get_logger(__name__)

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
        """Send the messages that committed transactions left; returns how many.

        They are rows: what cannot be sent now, the reconciler sends, and nobody fails for it.
        """
        try:
            return outbox.flush(self.database, self.send)
        except DependencyUnavailable as error:
            log.warning("outbox_kept", error=error.detail)
            return 0
