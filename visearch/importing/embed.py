"""Embedding one chunk: encoder pixels → embeddings → products and images, searchable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from visearch.backend import Backend
from visearch.encoders.protocol import OpenEncoder
from visearch.encoders.spec import require_same_encoder
from visearch.ids import new_id
from visearch.importing import progress
from visearch.importing.describe import Existing, describe, replace_older
from visearch.index.scoring import are_unit
from visearch.records import ACTIVE, Import
from visearch.store import catalogs, changes, chunks, imports, ledger
from visearch.store.schema import embeddings, images

SEARCHABLE = {"status": "searchable"}
SUPERSEDED = {
    "status": "failed",
    "code": "superseded",
    "detail": "a later write to this product was accepted first; nothing is left to do",
}
NO_EMBEDDING = {
    "status": "failed",
    "code": "no_embedding",
    "detail": "the encoder has nothing to say about this picture; use another one",
}


def embed_chunk(
    backend: Backend,
    open_encoder: OpenEncoder,
    import_id: str,
    chunk: int,
    attempt: int,
    worker: str,
) -> None:
    """Embed a decoded chunk and make its pictures searchable in one transaction.

    If the catalog has got another encoder meanwhile, the chunk is decoded again for it.

    Raises:
        EncoderMismatch: the encoder at hand is not the one the catalog was made with.
    """
    with backend.database.write() as connection:
        record = imports.by_id(connection, import_id)
        claimed = chunks.claim(connection, record.pk, chunk, chunks.EMBED, attempt, worker)
        if claimed is None or record.status not in ACTIVE:
            return
        rows = ledger.chunk_items(connection, record.pk, chunk)
        catalog = catalogs.get(connection, record.catalog)
    if claimed.fingerprint not in (None, catalog.fingerprint):
        _start_over(backend, record, chunk, attempt, claimed.pixels)
        return
    encoder = open_encoder(catalog.encoder)
    require_same_encoder(catalog, encoder.fingerprint)
    data = np.frombuffer(backend.blobs.get(f"pixels/{claimed.pixels}"), np.uint8)
    vectors = encoder.embed_pixels(data.reshape(len(rows), encoder.size, encoder.size, 3))
    usable = are_unit(vectors)
    segment = changes.put_segment(backend.blobs, vectors)
    with backend.database.write() as connection:
        vectors_at = _Vectors(encoder.fingerprint, segment, usable)
        done = _commit(backend, connection, record, chunk, attempt, rows, vectors_at)
    if done is None:
        _start_over(backend, record, chunk, attempt, claimed.pixels)
        return
    if not done:
        return  # another attempt has taken over, and needs the pixels
    backend.blobs.delete(f"pixels/{claimed.pixels}")
    backend.flush()
    backend.announce(record.catalog_pk)


def _start_over(backend: Backend, record: Import, chunk: int, attempt: int, pixels: str) -> None:
    """Send a chunk back to be decoded for the encoder that its catalog has now."""
    with backend.database.write() as connection:
        progress.take_locks(connection, record.pk)
        again = {"state": "waiting", "stage": chunks.DECODE, "attempt": 1, "pixels": None}
        if not chunks.finish(connection, record.pk, chunk, chunks.EMBED, attempt, **again):
            return
        rows = len(ledger.chunk_items(connection, record.pk, chunk))
        imports.count(connection, record.pk, fetched=-rows, decoded=-rows)
        progress.advance(connection, record.pk, backend.settings)
    backend.blobs.delete(f"pixels/{pixels}")
    backend.flush()


class _Vectors(NamedTuple):
    """Where a chunk's vectors lie, of which encoder they are, and which say something."""

    fingerprint: str
    segment: str
    usable: npt.NDArray[np.bool_]


def _commit(
    backend: Backend,
    connection: sa.Connection,
    record: Import,
    chunk: int,
    attempt: int,
    rows: Sequence[sa.Row[Any]],
    vectors: _Vectors,
) -> bool | None:
    """Make the chunk searchable; False if its attempt is over, None if its encoder is."""
    # First of all: it numbers the commit and serialises writers of one catalog.
    revision = catalogs.next_revision(connection, record.catalog_pk)
    if catalogs.get(connection, record.catalog).fingerprint != vectors.fingerprint:
        return None
    if not chunks.finish(
        connection, record.pk, chunk, chunks.EMBED, attempt, state="done", pixels=None
    ):
        return False
    if imports.lock(connection, record.pk).status not in ACTIVE:
        return True
    good = [(at, row) for at, row in enumerate(rows) if vectors.usable[at]]
    existing = describe(connection, record, [row for _, row in good])
    fresh = [(at, row) for at, row in good if row.product_id in existing]
    replace_older(connection, record, [existing[row.product_id] for _, row in fresh], revision)
    _insert_images(connection, record, revision, vectors, fresh, existing)
    fates = dict.fromkeys((row.item for row in rows), NO_EMBEDDING)
    fates |= dict.fromkeys((row.item for _, row in good), SUPERSEDED)
    fates |= dict.fromkeys((row.item for _, row in fresh), SEARCHABLE)
    _settle(connection, record, fates, attempt)
    progress.advance(connection, record.pk, backend.settings)
    return True


def _insert_images(
    connection: sa.Connection,
    record: Import,
    revision: int,
    vectors: _Vectors,
    fresh: Sequence[tuple[int, sa.Row[Any]]],
    existing: dict[str, Existing],
) -> None:
    new = [
        {
            "id": new_id(),
            "catalog_pk": record.catalog_pk,
            "product_pk": existing[row.product_id].pk,
            "position": row.position,
            "sha256": row.sha256,
            "thumbnail": row.thumbnail,
            "added": revision,
        }
        for _, row in fresh
    ]
    if not new:
        return
    known = sa.insert(images).returning(images.c.pk, sort_by_parameter_order=True)
    keys = connection.execute(known, new).scalars().all()
    common = {"fingerprint": vectors.fingerprint, "segment": vectors.segment}
    connection.execute(
        sa.insert(embeddings),
        [{"image_pk": key, "row": at, **common} for key, (at, _) in zip(keys, fresh, strict=True)],
    )


def _settle(
    connection: sa.Connection, record: Import, fates: dict[int, dict[str, str]], attempt: int
) -> None:
    """Write each item's fate into the ledger, and the counters with it."""
    common = {"stage": "index", "attempts": attempt}
    updates = [{"item": item, **common, **fate} for item, fate in fates.items()]
    ledger.update_items(connection, record.pk, updates)
    found = sum(fate is SEARCHABLE for fate in fates.values())
    lost = len(fates) - found
    imports.count(connection, record.pk, embedded=len(fates), searchable=found, failed=lost)
