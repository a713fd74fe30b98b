"""Reindexing: a catalog's pictures get the embeddings of another encoder, while it is served.

Pictures added meanwhile are embedded by the present encoder as ever, and are then found
missing here: so every change is in both. When none is missing, the two encoders are compared
and the next generation is built (by compaction); then one transaction exchanges them.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import structlog

from visearch.backend import Backend
from visearch.encoders.protocol import OpenEncoder
from visearch.errors import DependencyUnavailable, EncoderMismatch, VisearchError
from visearch.index.scoring import are_unit
from visearch.records import Catalog
from visearch.reindexing.activate import activate
from visearch.reindexing.compare import compare, picture_pixels, what_is_worse
from visearch.store import changes, embeddings, reindexes
from visearch.store.reindexes import READY, RUNNING, Reindex
from visearch.upkeep.compaction import is_due

log = structlog.get_logger(__name__)

BATCH = 32
"""Pictures embedded at a time: what a live chunk may have to wait for."""

TURN_S = 2.0
"""How long one turn embeds; between turns live work comes first."""

ACTIVATE_S = 10.0
"""Under a steady stream of changes something is nearly always missing: how long to run after it."""

LEASE_S = 600.0
"""A turn may also compare two encoders, or export one; a dead worker's turn lasts so long."""


def take_turn(backend: Backend, open_encoder: OpenEncoder, busy: Callable[[], bool]) -> None:
    """Go on with every reindex that no other worker has in hand."""
    with backend.database.read() as connection:
        waiting = reindexes.kept_up(connection)
    for catalog, reindex in waiting:
        with backend.database.write() as connection:
            if not reindexes.lease(connection, reindex, LEASE_S):
                continue
        try:
            _go_on(backend, open_encoder, busy, catalog, reindex)
        except DependencyUnavailable:
            raise  # its fault, not the reindex's: the next turn tries again
        except VisearchError as error:
            _fail(backend, reindex, error)
        finally:
            with backend.database.write() as connection:
                reindexes.change(connection, reindex, leased_until=0.0)


def _go_on(
    backend: Backend,
    open_encoder: OpenEncoder,
    busy: Callable[[], bool],
    catalog: Catalog,
    reindex: Reindex,
) -> None:
    if not _embed_missing(backend, open_encoder, busy, reindex):
        return
    with backend.database.read() as connection:
        reindex = reindexes.get(connection, catalog, reindex.id)
        prospect = reindexes.prospect(connection, catalog, reindex)
        indexed = not is_due(backend, connection, prospect)
    if reindex.comparison is None and reindex.status == RUNNING:
        comparison = compare(backend, catalog, prospect, open_encoder)
        with backend.database.write() as connection:
            reindexes.change(connection, reindex, comparison=comparison)
        return  # with what was added meanwhile
    if reindex.status == RUNNING and indexed:
        with backend.database.write() as connection:
            reindexes.change(connection, reindex, status=READY)
    if reindex.status != RUNNING and reindex.activate != "manual":
        _activate(backend, open_encoder, catalog, reindex)


def _activate(
    backend: Backend, open_encoder: OpenEncoder, catalog: Catalog, reindex: Reindex
) -> None:
    if reindex.activate == "auto" and (reason := what_is_worse(reindex.comparison)):
        held = {"activate": "manual", "error_code": "held", "error_detail": reason}
        with backend.database.write() as connection:
            reindexes.change(connection, reindex, **held)
        return
    end = time.monotonic() + ACTIVATE_S
    while not activate(backend, catalog, reindex) and time.monotonic() < end:
        embed_some(backend, open_encoder, reindex)  # what came in between


def _embed_missing(
    backend: Backend, open_encoder: OpenEncoder, busy: Callable[[], bool], reindex: Reindex
) -> bool:
    """Embed what is missing until this turn is over; True if nothing is."""
    end = time.monotonic() + TURN_S
    while time.monotonic() < end:
        start = time.monotonic()
        if not embed_some(backend, open_encoder, reindex):
            return True
        if busy():
            return False
        spent = time.monotonic() - start
        time.sleep(spent * (1.0 / backend.settings.reindex_share - 1.0))
    return False


def embed_some(backend: Backend, open_encoder: OpenEncoder, reindex: Reindex) -> int:
    """Embed some of the pictures that are missing; returns how many were.

    Raises:
        EncoderMismatch: the encoder of that name is another one by now.
        NotFound: a picture's file was lost.
    """
    with backend.database.read() as connection:
        rows = embeddings.missing(connection, reindex.catalog_pk, reindex.fingerprint, BATCH)
    if not rows:
        return 0
    encoder = open_encoder(reindex.encoder)
    if encoder.fingerprint != reindex.fingerprint:
        raise EncoderMismatch(
            f"{reindex.encoder!r} is {encoder.fingerprint} now, not {reindex.fingerprint}; "
            "start another reindex"
        )
    vectors = encoder.embed_pixels(
        np.stack([picture_pixels(backend, reindex.encoder, row.sha256) for row in rows])
    )
    usable = are_unit(vectors)
    segment = changes.put_segment(backend.blobs, vectors)
    places = {row.pk: at if usable[at] else None for at, row in enumerate(rows)}
    with backend.database.write() as connection:
        embeddings.note(connection, reindex.fingerprint, segment, places)
    return len(rows)


def _fail(backend: Backend, reindex: Reindex, error: VisearchError) -> None:
    log.error("reindex_failed", reindex=reindex.id, code=error.code, detail=error.detail)
    ended = {"status": reindexes.FAILED, "finished_at": time.time()}
    with backend.database.write() as connection:
        reindexes.change(
            connection, reindex, error_code=error.code, error_detail=error.detail, **ended
        )
