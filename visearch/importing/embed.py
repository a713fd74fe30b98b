"""Embedding one chunk: encoder pixels → embeddings → products and images, searchable."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
from visearch.records import ACTIVE, Catalog
from visearch.store import catalogs, images, imports, ledger, segments
from visearch.store.claims import Claim
from visearch.store.database import Connection
from visearch.store.images import Again, NewImage
from visearch.store.ledger import PendingItem

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

    Those whose embedding is known (``reuse.py``) are not encoded again. If the catalog has another
    encoder by now, the chunk is decoded again for that one; so it is where the decoded pictures, or
    an embedding that was known, were lost.

    Raises:
        EncoderMismatch: the encoder at hand is not the one the catalog was made with.
    """
    with backend.database.read() as connection:
        catalog = catalogs.get(connection, claim.record.catalog)
    if claim.fingerprint not in (None, catalog.fingerprint):
        _start_over(backend, claim)
        return
    new = [item for item in claim.items if item.stage == "embed"]
    vectors = _encode(backend, open_encoder, catalog, claim, new)
    if vectors is None:
        if claim.restarted >= MOST_RESTARTS:
            raise BlobDamaged("What was stored of this picture is damaged. Send it again.")
        _start_over(backend, claim)
        return
    with backend.database.write() as connection:
        ended = _commit(backend, connection, claim, vectors)
    if ended == "out of date":
        _start_over(backend, claim)
    elif ended == "done":
        _delete_pixels(backend, claim)
        backend.flush()
        backend.announce(claim.record.catalog_pk)
    # A claim that was lost leaves the pixels to the one that has the chunk now.


class _Vectors(NamedTuple):
    """What an encoder made of a chunk: for each picture that it can use, by item, segment and row.

    ``encoded`` is how many pictures it was given.
    """

    fingerprint: str
    at: dict[int, tuple[str, int]]
    encoded: int


def _encode(
    backend: Backend,
    open_encoder: OpenEncoder,
    catalog: Catalog,
    claim: Claim,
    new: Sequence[PendingItem],
) -> _Vectors | None:
    """Embed the pictures of a chunk that are not known; None if their pixels are damaged."""
    if not new:
        return _Vectors(catalog.fingerprint, {}, 0)
    encoder = open_encoder(catalog.encoder)
    require_same_encoder(catalog, encoder.fingerprint)
    pixels = _pixels(backend, claim, (len(new), encoder.size, encoder.size, 3))
    if pixels is None:
        return None
    vectors = encoder.embed_pixels(pixels)
    segment = segments.put(backend.blobs, vectors)
    usable = are_unit(vectors)
    at = {item.item: (segment, row) for row, item in enumerate(new) if usable[row]}
    return _Vectors(encoder.fingerprint, at, len(new))


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
        known = -sum(item.stage == "index" for item in claim.items)
        imports.count(connection, claim.record.pk, fetched=again, decoded=again, embedded=known)
        stages = [{"item": item.item, "stage": "fetch"} for item in claim.items]
        ledger.update_items(connection, claim.record.pk, stages)
        progress.advance(connection, claim.record.pk, backend.settings)
    _delete_pixels(backend, claim)
    backend.flush()


def _delete_pixels(backend: Backend, claim: Claim) -> None:
    if claim.pixels is not None:
        backend.blobs.delete(f"pixels/{claim.pixels}")


def _commit(
    backend: Backend, connection: Connection, claim: Claim, vectors: _Vectors
) -> Literal["done", "lost", "out of date"]:
    """Make the chunk searchable; if its claim or what it was made of is out of date, do nothing."""
    record = claim.record
    # First of all: it numbers the commit and serialises writers of one catalog.
    revision = catalogs.next_revision(connection, record.catalog_pk)
    if catalogs.get(connection, record.catalog).fingerprint != vectors.fingerprint:
        return "out of date"
    at = vectors.at | _known(connection, claim, vectors.fingerprint)
    if any(item.stage == "index" and item.item not in at for item in claim.items):
        return "out of date"
    active = imports.lock(connection, record.pk).status in ACTIVE
    if not claim.done(connection):
        return "lost"
    if not active:
        return "done"
    good = [item for item in claim.items if item.item in at]
    existing = describe(connection, record, good)
    fresh = [item for item in good if item.product_id in existing]
    pks = {item.item: existing[item.product_id].pk for item in fresh}
    again = {
        item.item: Again(pks[item.item], item.sha256, item.position)
        for item in fresh
        if item.stage == "index"
    }
    stay = replace_older(connection, record, list(existing.values()), revision, again.values())
    new = [
        NewImage(pks[item.item], item.position, item.sha256, item.thumbnail, *at[item.item])
        for item in fresh
        if again.get(item.item) not in stay
    ]
    images.insert(connection, record.catalog_pk, revision, new, fingerprint=vectors.fingerprint)
    fates = dict.fromkeys((item.item for item in claim.items), NO_EMBEDDING)
    fates |= dict.fromkeys((item.item for item in good), SUPERSEDED)
    fates |= dict.fromkeys((item.item for item in fresh), SEARCHABLE)
    _settle(connection, claim, fates, vectors.encoded)
    progress.advance(connection, record.pk, backend.settings)
    return "done"


def _known(connection: Connection, claim: Claim, fingerprint: str) -> dict[int, tuple[str, int]]:
    """Return where the embeddings of the chunk's known pictures are stored, by item."""
    digests = {item.item: item.sha256 for item in claim.items if item.stage == "index"}
    wanted = {digest for digest in digests.values() if digest}
    found = images.known(connection, claim.record.catalog_pk, fingerprint, wanted)
    return {
        item: (found[digest].segment, found[digest].row)
        for item, digest in digests.items()
        if digest in found
    }


def _settle(
    connection: Connection, claim: Claim, fates: dict[int, dict[str, str]], encoded: int
) -> None:
    """Write each item's fate into the ledger, and the counters with it.

    Those of known pictures count as embedded since they were fetched.
    """
    common = {"stage": "index", "attempts": claim.attempts}
    updates = [{"item": item, **common, **fate} for item, fate in fates.items()]
    ledger.update_items(connection, claim.record.pk, updates)
    found = sum(fate is SEARCHABLE for fate in fates.values())
    lost = len(fates) - found
    counts = {"embedded": encoded, "searchable": found, "failed": lost}
    imports.count(connection, claim.record.pk, **counts)
