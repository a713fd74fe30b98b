"""Reindexing: a catalog's pictures get the embeddings of another encoder, while it is served.

Pictures added meanwhile are embedded by the present encoder as ever, and are then found
missing here: so every change is in both. A picture that is lost or cannot be decoded is noted with
its reason, and the others go on. When none is missing, the new encoder's weights are fitted, the
two encoders are compared, and compaction builds the next generation; then one transaction activates
the new encoder.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import structlog

from visearch.backend import Backend
from visearch.background import take_steps
from visearch.encoders.protocol import OpenEncoder
from visearch.errors import (
    Conflict,
    DependencyBroken,
    DependencyUnavailable,
    EncoderError,
    EncoderMismatch,
    ImageError,
    VisearchError,
)
from visearch.images.order import Pixels
from visearch.index.scoring import are_unit
from visearch.records import Catalog
from visearch.reindexing.compare import compare, what_is_worse
from visearch.reindexing.stored import picture_pixels
from visearch.store import catalogs, embeddings, leases, products, rankings, reindexes, segments
from visearch.store.database import Connection
from visearch.store.embeddings import Missing
from visearch.store.leases import Lease, LeaseLost
from visearch.store.reindexes import READY, RUNNING, Reindex
from visearch.upkeep.compaction import is_due
from visearch.upkeep.fitting import Interrupted, fit_now, needs_fit

log = structlog.get_logger(__name__)

BATCH = 32
"""Pictures embedded at a time: a live chunk may have to wait for as many."""

DECODE_S = 60.0
"""How long the pictures of a batch may take to be decoded; the rest waits for the next batch."""

TURN_S = 2.0
"""How long one turn embeds; between turns live work comes first."""

ACTIVATE_S = 10.0
"""How long to catch up before an activation: under steady changes something is always missing."""

LEASE_S = 600.0
"""How long a turn lasts that writes nothing: it may compare two encoders, or export one. After
that, another worker may take the reindex."""

FEW = 0.01
"""A larger share of pictures without a vector keeps an encoder from being activated
automatically."""

_NOTHING_FOUND = EncoderError(
    "The encoder found nothing in this picture. Use another one.", code="no_embedding"
)


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

    def keep(self) -> None:
        """Begin the time of the lease anew; raises LeaseLost."""
        with self.writing():
            pass

    def change(self, **values: Any) -> None:
        """Change columns of the reindex."""
        with self.writing() as connection:
            reindexes.change(connection, self.reindex, **values)


def take_turn(
    backend: Backend, open_encoder: OpenEncoder, busy: Callable[[], bool], worker: str
) -> None:
    """Go on with every reindex that no other worker has in hand.

    What goes wrong with one is logged, and the others have their turn.

    Args:
        backend: the adapters.
        open_encoder: opens the encoder of a spec.
        busy: tells whether live work is waiting; the turn then ends.
        worker: the name of the worker whose turn it is.
    """
    with backend.database.read() as connection:
        waiting = reindexes.kept_up(connection)

    def begin(catalog: Catalog, reindex: Reindex) -> None:
        with backend.database.write() as connection:
            lease = leases.take(connection, reindex, worker, LEASE_S)
        if lease is not None:
            _take(_Turn(backend, open_encoder, busy, catalog, reindex, lease))

    turns = {reindex.id: partial(begin, catalog, reindex) for catalog, reindex in waiting}
    take_steps("reindex_not_continued", turns)


def _take(turn: _Turn) -> None:
    try:
        try:
            _go_on(turn)
        except (DependencyUnavailable, DependencyBroken):
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
        if (fitted := _fitted(turn, prospect)) is None:
            return
        found = compare(turn.backend, turn.catalog, fitted, turn.open_encoder, turn.keep)
        turn.change(comparison=found)
        return  # the next turn embeds what was added meanwhile
    if reindex.status == RUNNING and indexed:
        turn.change(status=READY)
    if reindex.status != RUNNING and reindex.activate != "manual":
        _activate(turn)


def _fitted(turn: _Turn, prospect: Catalog) -> Catalog | None:
    """Fit the new encoder's weights, with which it is compared and served; None: not now."""
    with turn.backend.database.read() as connection:
        ranking = rankings.get(connection, prospect)
        _, pictures = products.count(connection, prospect.pk)
    if prospect.weights is not None or not needs_fit(ranking, pictures):
        return prospect
    turn.keep()
    try:
        fit_now(turn.backend, prospect, turn.open_encoder, turn.lease.owner, turn.busy)
    except (Conflict, Interrupted):
        return None
    turn.keep()
    with turn.backend.database.read() as connection:
        return replace(prospect, weights=rankings.get(connection, prospect).weights)


def _activate(turn: _Turn) -> None:
    reindex = turn.reindex
    if reindex.activate == "auto" and (reason := _why_to_wait(reindex)):
        turn.change(activate="manual", error_code="held", error_detail=reason)
        return
    end = time.monotonic() + ACTIVATE_S
    while not _activated(turn) and time.monotonic() < end:
        _embed_some(turn)  # what came in between


def _why_to_wait(reindex: Reindex) -> str | None:
    """Say what an operator should know before the encoder is activated; None if nothing."""
    if reindex.failed > FEW * reindex.total:
        return (
            f"The new encoder has no vector of {reindex.failed} of {reindex.total} pictures, and "
            "searches would not find them. The reindex's failures say why. Activate it yourself "
            "if you want it all the same."
        )
    return what_is_worse(reindex.comparison)


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
        DependencyUnavailable: the blob store does not answer, or is not all there.
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
    pixels, failed = _decoded(turn, missing)
    rows: dict[int, int] = {}
    segment = ""
    if pixels:
        vectors = encoder.embed_pixels(np.stack([*pixels.values()]))
        segment, usable = segments.put(backend.blobs, vectors), are_unit(vectors)
        rows = {pk: row for row, pk in enumerate(pixels) if usable[row]}
        failed |= dict.fromkeys(pixels.keys() - rows.keys(), _NOTHING_FOUND)
    with turn.writing() as connection:
        embeddings.note(connection, reindex.fingerprint, segment, rows)
        embeddings.note_failed(connection, reindex.fingerprint, failed)
    return len(pixels) + len(failed.keys() - pixels.keys())


def _decoded(
    turn: _Turn, pictures: Sequence[Missing]
) -> tuple[dict[int, Pixels], dict[int, VisearchError]]:
    """Return the pixels of the pictures by their keys, and why some have none.

    Those for which there was no time are in neither.
    """
    pixels: dict[int, Pixels] = {}
    failed: dict[int, VisearchError] = {}
    end = time.monotonic() + DECODE_S
    for each in pictures:
        if time.monotonic() > end:
            break
        try:
            pixels[each.pk] = picture_pixels(turn.backend, turn.reindex.encoder, each.sha256)
        except ImageError as error:
            log.warning("picture_not_embedded", picture=each.sha256, code=error.code)
            failed[each.pk] = error
    return pixels, failed


def _fail(turn: _Turn, error: VisearchError) -> None:
    log.error("reindex_failed", reindex=turn.reindex.id, code=error.code, detail=error.detail)
    reason = {"error_code": error.code, "error_detail": error.detail}
    turn.change(status=reindexes.FAILED, finished_at=time.time(), **reason)
