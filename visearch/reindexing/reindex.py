"""Reindexing: a catalog's pictures get the embeddings of another encoder, while it is served.

Pictures added meanwhile are embedded by the present encoder as ever, and are then found
missing here: so every change is in both. When none is missing, the two encoders are compared
and compaction builds the next generation; then one transaction activates the new encoder.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import structlog

from visearch.backend import Backend
from visearch.encoders.protocol import OpenEncoder
from visearch.errors import DependencyUnavailable, EncoderMismatch, VisearchError
from visearch.index.scoring import are_unit
from visearch.records import Catalog
from visearch.reindexing.compare import compare, picture_pixels, what_is_worse
from visearch.store import catalogs, embeddings, leases, reindexes, segments
from visearch.store.database import Connection
from visearch.store.leases import Lease, LeaseLost
from visearch.store.reindexes import READY, RUNNING, Reindex
from visearch.upkeep.compaction import is_due

log = structlog.get_logger(__name__)

BATCH = 32
"""Pictures embedded at a time: a live chunk may have to wait for as many."""

TURN_S = 2.0
"""How long one turn embeds; between turns live work comes first."""

ACTIVATE_S = 10.0
"""How long to catch up before an activation: under steady changes something is always missing."""

LEASE_S = 600.0
"""How long a turn lasts that writes nothing: it may compare two encoders, or export one. After
that, another worker may take the reindex."""


@dataclass(frozen=True)
class _Turn:
    """One worker's turn at one reindex; everything it writes, it writes under its lease."""

    backend: Backend
    open_encoder: OpenEncoder
    busy: Callable[[], bool]
    catalog: Catalog
    reindex: Reindex
    lease: Lease

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A write transaction; raises LeaseLost if the turn is another worker's by now."""
        with self.backend.database.write() as connection:
            self.lease.keep(connection)
            yield connection

    def change(self, **values: Any) -> None:
        """Change columns of the reindex."""
        with self.writing() as connection:
            reindexes.change(connection, self.reindex, **values)


def take_turn(
    backend: Backend, open_encoder: OpenEncoder, busy: Callable[[], bool], worker: str
) -> None:
    """Go on with every reindex that no other worker has in hand.

    Args:
        backend: the adapters.
        open_encoder: opens the encoder of a spec.
        busy: tells whether live work is waiting; the turn then ends.
        worker: the name of the worker whose turn it is.
    """
    with backend.database.read() as connection:
        waiting = reindexes.kept_up(connection)
    for catalog, reindex in waiting:
        with backend.database.write() as connection:
            lease = leases.take(connection, reindex, worker, LEASE_S)
        if lease is not None:
            _take(_Turn(backend, open_encoder, busy, catalog, reindex, lease))


def _take(turn: _Turn) -> None:
    try:
        try:
            _go_on(turn)
        except DependencyUnavailable:
            raise  # its fault, not the reindex's: the next turn tries again
        except VisearchError as error:
            _fail(turn, error)
    except LeaseLost:
        log.warning("reindex_lease_lost", reindex=turn.reindex.id, lease=turn.lease.owner)
    finally:
        with turn.backend.database.write() as connection:
            turn.lease.end(connection)


def _go_on(turn: _Turn) -> None:
    if not _embed_missing(turn):
        return
    with turn.backend.database.read() as connection:
        reindex = reindexes.get(connection, turn.catalog, turn.reindex.id)
        prospect = reindexes.prospect(connection, turn.catalog, reindex)
        indexed = not is_due(turn.backend, connection, prospect)
    turn = replace(turn, reindex=reindex)
    if reindex.comparison is None and reindex.status == RUNNING:
        turn.change(comparison=compare(turn.backend, turn.catalog, prospect, turn.open_encoder))
        return  # the next turn embeds what was added meanwhile
    if reindex.status == RUNNING and indexed:
        turn.change(status=READY)
    if reindex.status != RUNNING and reindex.activate != "manual":
        _activate(turn)


def _activate(turn: _Turn) -> None:
    reindex = turn.reindex
    if reindex.activate == "auto" and (reason := what_is_worse(reindex.comparison)):
        turn.change(activate="manual", error_code="held", error_detail=reason)
        return
    end = time.monotonic() + ACTIVATE_S
    while not _activated(turn) and time.monotonic() < end:
        _embed_some(turn)  # what came in between


def _activated(turn: _Turn) -> bool:
    """Activate the reindex; False while a picture lacks its embedding."""
    with turn.backend.database.write() as connection:
        # The catalog before the reindex, as a request that activates locks them.
        catalogs.lock(connection, turn.catalog.pk)
        turn.lease.keep(connection)
        done = reindexes.activate(connection, turn.catalog, turn.reindex)
    if done:
        turn.backend.announce(turn.catalog.pk)
    return done


def _embed_missing(turn: _Turn) -> bool:
    """Embed what is missing until this turn is over; True if nothing is."""
    end = time.monotonic() + TURN_S
    while time.monotonic() < end:
        start = time.monotonic()
        if not _embed_some(turn):
            return True
        if turn.busy():
            return False
        spent = time.monotonic() - start
        time.sleep(spent * (1.0 / turn.backend.settings.reindex_share - 1.0))
    return False


def _embed_some(turn: _Turn) -> int:
    """Embed some of the pictures that are missing; returns how many were.

    Raises:
        EncoderMismatch: the encoder of that name is another one by now.
        NotFound: a picture's file was lost.
    """
    backend, reindex = turn.backend, turn.reindex
    with backend.database.read() as connection:
        missing = embeddings.missing(connection, reindex.catalog_pk, reindex.fingerprint, BATCH)
    if not missing:
        return 0
    encoder = turn.open_encoder(reindex.encoder)
    if encoder.fingerprint != reindex.fingerprint:
        raise EncoderMismatch(
            f"Encoder {reindex.encoder!r} is {encoder.fingerprint} now, not "
            f"{reindex.fingerprint}. Start another reindex."
        )
    vectors = encoder.embed_pixels(
        np.stack([picture_pixels(backend, reindex.encoder, each.sha256) for each in missing])
    )
    usable = are_unit(vectors)
    segment = segments.put(backend.blobs, vectors)
    rows = {each.pk: row if usable[row] else None for row, each in enumerate(missing)}
    with turn.writing() as connection:
        embeddings.note(connection, reindex.fingerprint, segment, rows)
    return len(missing)


def _fail(turn: _Turn, error: VisearchError) -> None:
    log.error("reindex_failed", reindex=turn.reindex.id, code=error.code, detail=error.detail)
    reason = {"error_code": error.code, "error_detail": error.detail}
    turn.change(status=reindexes.FAILED, finished_at=time.time(), **reason)
