"""Embedding one chunk: encoder pixels → embeddings → products and images, searchable."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import structlog

from visearch.backend import Backend
from visearch.encoders.protocol import OpenEncoder
from visearch.encoders.spec import require_same_encoder
from visearch.errors import BlobDamaged, NotFound
from visearch.importing import progress
from visearch.importing.describe import describe, replace_older
from visearch.index.scoring import are_unit
from visearch.records import ACTIVE
from visearch.store import catalogs, images, imports, ledger, segments
from visearch.store.claims import Claim
from visearch.store.database import Connection
from visearch.store.images import NewImage

log = structlog.get_logger(__name__)

MOST_RESTARTS = 10
"""A store that damages every chunk's pixels must not keep an import going for ever."""

SEARCHABLE = {"status": "searchable"}
SUPERSEDED = {
    "status": "failed",
    "code": "superseded",
    "detail": "A later write to this product finished first. There is nothing left to do.",
}
NO_EMBEDDING = {
    "status": "failed",
    "code": "no_embedding",
    "detail": "The encoder found nothing in this picture. Use another one.",
}


def embed_chunk(backend: Backend, open_encoder: OpenEncoder, claim: Claim) -> None:
    """Embed a decoded chunk and make its pictures searchable in one transaction.

    If the catalog has another encoder by now, the chunk is decoded again for that one; so it is
    where the decoded pictures were lost.

    Raises:
        EncoderMismatch: the encoder at hand is not the one the catalog was made with.
    """
    with backend.database.read() as connection:
        catalog = catalogs.get(connection, claim.record.catalog)
    if claim.fingerprint not in (None, catalog.fingerprint):
        _start_over(backend, claim)
        return
    encoder = open_encoder(catalog.encoder)
    require_same_encoder(catalog, encoder.fingerprint)
    shape = (len(claim.items), encoder.size, encoder.size, 3)
    pixels = _pixels(backend, claim, shape)
    if pixels is None:
        if claim.restarted >= MOST_RESTARTS:
            raise BlobDamaged("What was stored of this picture is damaged. Send it again.")
        _start_over(backend, claim)
        return
    vectors = encoder.embed_pixels(pixels)
    usable = are_unit(vectors)
    segment = segments.put(backend.blobs, vectors)
    with backend.database.write() as connection:
        vectors_at = _Vectors(encoder.fingerprint, segment, usable)
        ended = _commit(backend, connection, claim, vectors_at)
    if ended == "other encoder":
        _start_over(backend, claim)
    elif ended == "done":
        backend.blobs.delete(f"pixels/{claim.pixels}")
        backend.flush()
        backend.announce(claim.record.catalog_pk)
    # A claim that was lost leaves the pixels to the one that has the chunk now.


def _pixels(backend: Backend, claim: Claim, shape: tuple[int, ...]) -> npt.NDArray[np.uint8] | None:
    """Return the chunk's decoded pictures; None if they are damaged or gone."""
    try:
        data = np.frombuffer(backend.blobs.get(f"pixels/{claim.pixels}"), np.uint8)
    except (NotFound, BlobDamaged):
        data = np.empty(0, np.uint8)
    if data.size != math.prod(shape):
        log.warning("pixels_damaged", chunk=claim.name)
        return None
    return data.reshape(shape)


def _start_over(backend: Backend, claim: Claim) -> None:
    """Send a chunk back to be decoded again, for the encoder that its catalog has now."""
    with backend.database.write() as connection:
        progress.take_locks(connection, claim.record)
        if not claim.start_over(connection):
            return
        again = -len(claim.items)
        imports.count(connection, claim.record.pk, fetched=again, decoded=again)
        progress.advance(connection, claim.record.pk, backend.settings)
    backend.blobs.delete(f"pixels/{claim.pixels}")
    backend.flush()


class _Vectors(NamedTuple):
    """Where a chunk's vectors are stored, which encoder made them, and which can be used."""

    fingerprint: str
    segment: str
    usable: npt.NDArray[np.bool_]


def _commit(
    backend: Backend, connection: Connection, claim: Claim, vectors: _Vectors
) -> Literal["done", "lost", "other encoder"]:
    """Make the chunk searchable; if the claim or the encoder is out of date, write nothing."""
    record = claim.record
    # First of all: it numbers the commit and serialises writers of one catalog.
    revision = catalogs.next_revision(connection, record.catalog_pk)
    if catalogs.get(connection, record.catalog).fingerprint != vectors.fingerprint:
        return "other encoder"
    active = imports.lock(connection, record.pk).status in ACTIVE
    if not claim.done(connection):
        return "lost"
    if not active:
        return "done"
    good = [(row, item) for row, item in enumerate(claim.items) if vectors.usable[row]]
    existing = describe(connection, record, [item for _, item in good])
    fresh = [(row, item) for row, item in good if item.product_id in existing]
    replace_older(connection, record, [existing[item.product_id] for _, item in fresh], revision)
    images.insert(
        connection,
        record.catalog_pk,
        revision,
        [
            NewImage(existing[item.product_id].pk, item.position, item.sha256, item.thumbnail, row)
            for row, item in fresh
        ],
        fingerprint=vectors.fingerprint,
        segment=vectors.segment,
    )
    fates = dict.fromkeys((item.item for item in claim.items), NO_EMBEDDING)
    fates |= dict.fromkeys((item.item for _, item in good), SUPERSEDED)
    fates |= dict.fromkeys((item.item for _, item in fresh), SEARCHABLE)
    _settle(connection, claim, fates)
    progress.advance(connection, record.pk, backend.settings)
    return "done"


def _settle(connection: Connection, claim: Claim, fates: dict[int, dict[str, str]]) -> None:
    """Write each item's fate into the ledger, and the counters with it."""
    common = {"stage": "index", "attempts": claim.tries}
    updates = [{"item": item, **common, **fate} for item, fate in fates.items()]
    ledger.update_items(connection, claim.record.pk, updates)
    found = sum(fate is SEARCHABLE for fate in fates.values())
    lost = len(fates) - found
    counts = {"embedded": len(fates), "searchable": found, "failed": lost}
    imports.count(connection, claim.record.pk, **counts)
