"""Embedding one chunk: encoder pixels → embeddings → products and images, searchable."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from visearch.encoders.spec import check
from visearch.ids import new_id
from visearch.index.scoring import are_unit
from visearch.indexing import progress
from visearch.indexing.pipeline import Pipeline
from visearch.records import ACTIVE, Attributes, Import
from visearch.store import catalogs, changes, chunks, imports, ledger
from visearch.store.schema import images, products

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


class PixelEncoder(Protocol):
    """What embedding needs of an encoder."""

    @property
    def fingerprint(self) -> str:
        """Names the encoder; see ``EncoderSpec.fingerprint``."""

    @property
    def size(self) -> int:
        """Side of the square input, px."""

    def embed_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Map uint8 [n, size, size, 3] to unit rows float32 [n, d]."""


OpenEncoder = Callable[[str], PixelEncoder]
"""Opens (or finds) the encoder of a spec."""


def embed_chunk(
    pipeline: Pipeline,
    open_encoder: OpenEncoder,
    import_id: str,
    chunk: int,
    attempt: int,
    worker: str,
) -> None:
    """Embed a decoded chunk and make its pictures searchable in one transaction.

    Raises:
        EncoderMismatch: the encoder at hand is not the one the catalog was made with.
    """
    with pipeline.database.write() as connection:
        record = imports.by_id(connection, import_id)
        claimed = chunks.claim(connection, record.pk, chunk, chunks.EMBED, attempt, worker)
        if claimed is None or record.status not in ACTIVE:
            return
        rows = ledger.chunk_items(connection, record.pk, chunk)
        catalog = catalogs.get(connection, record.catalog)
    encoder = open_encoder(catalog.encoder)
    check(catalog, encoder.fingerprint)
    data = np.frombuffer(pipeline.blobs.get(f"pixels/{claimed.pixels}"), np.uint8)
    vectors = encoder.embed_pixels(data.reshape(len(rows), encoder.size, encoder.size, 3))
    usable = are_unit(vectors)
    segment = changes.put_segment(pipeline.blobs, vectors)
    with pipeline.database.write() as connection:
        committed = _commit(pipeline, connection, record, chunk, attempt, rows, segment, usable)
    if not committed:
        return  # another attempt has taken over, and needs the pixels
    pipeline.blobs.delete(f"pixels/{claimed.pixels}")
    pipeline.flush()
    pipeline.announce(record.catalog_pk)


@dataclass
class _Existing:
    pk: int
    images_version: int


class _Text(NamedTuple):
    """What a row says about its product; of several rows the first that says it decides."""

    title: str | None
    url: str | None
    attributes: Attributes

    def completed_by(self, later: _Text) -> _Text:
        attributes = {**later.attributes, **self.attributes}
        return _Text(self.title or later.title, self.url or later.url, attributes)


def _commit(
    pipeline: Pipeline,
    connection: sa.Connection,
    record: Import,
    chunk: int,
    attempt: int,
    rows: Sequence[sa.Row[Any]],
    segment: str,
    usable: npt.NDArray[np.bool_],
) -> bool:
    # First of all: it numbers the commit and serialises writers of one catalog.
    revision = catalogs.next_revision(connection, record.catalog_pk)
    if not chunks.finish(
        connection, record.pk, chunk, chunks.EMBED, attempt, state="done", pixels=None
    ):
        return False
    if imports.lock(connection, record.pk).status not in ACTIVE:
        return True
    good = [(at, row) for at, row in enumerate(rows) if usable[at]]
    existing = _describe(connection, record, [row for _, row in good])
    fresh = [(at, row) for at, row in good if row.product_id in existing]
    _replace_older(connection, record, [existing[row.product_id] for _, row in fresh], revision)
    _insert_images(connection, record, revision, segment, fresh, existing)
    fates = dict.fromkeys((row.item for row in rows), NO_EMBEDDING)
    fates |= dict.fromkeys((row.item for _, row in good), SUPERSEDED)
    fates |= dict.fromkeys((row.item for _, row in fresh), SEARCHABLE)
    _settle(connection, record, fates, attempt)
    progress.advance(connection, record.pk, pipeline.settings)
    return True


def _describe(
    connection: sa.Connection, record: Import, rows: Sequence[sa.Row[Any]]
) -> dict[str, _Existing]:
    """Insert or update the chunk's products; leaves out those written later than this import."""
    wanted: dict[str, _Text] = {}
    for row in rows:
        text = _Text(row.title, row.url, row.attributes)
        first = wanted.get(row.product_id)
        wanted[row.product_id] = first.completed_by(text) if first else text
    query = sa.select(products).where(
        products.c.catalog_pk == record.catalog_pk, products.c.external_id.in_(wanted)
    )
    found = {row.external_id: row for row in connection.execute(query)}
    outdated = record.accepted < catalogs.replaced(connection, record.catalog_pk)
    out = {}
    for product_id, text in wanted.items():
        old = found.get(product_id)
        if old is None and not outdated:
            out[product_id] = _insert_product(connection, record, product_id, text)
        elif old is not None and old.images_version <= record.accepted:
            _update_product(connection, record, text, old)
            out[product_id] = _Existing(old.pk, old.images_version)
    return out


def _insert_product(
    connection: sa.Connection, record: Import, product_id: str, text: _Text
) -> _Existing:
    result = connection.execute(
        sa.insert(products).values(
            catalog_pk=record.catalog_pk,
            external_id=product_id,
            **text._asdict(),
            meta_version=record.accepted,
            field_versions={},
            images_version=record.accepted,
            deleted=False,
            updated_at=time.time(),
        )
    )
    (pk,) = result.inserted_primary_key or (0,)
    return _Existing(pk, record.accepted)


def _update_product(
    connection: sa.Connection, record: Import, text: _Text, old: sa.Row[Any]
) -> None:
    if old.images_version == record.accepted:  # a chunk of this import was here before
        text = _Text(old.title, old.url, old.attributes).completed_by(text)
    changes = {
        name: value
        for name, value in text._asdict().items()
        if old.field_versions.get(name, 0) <= record.accepted
    }
    connection.execute(
        sa.update(products)
        .where(products.c.pk == old.pk)
        .values(
            **changes,
            meta_version=max(old.meta_version, record.accepted),
            images_version=record.accepted,
            deleted=False,
            updated_at=time.time(),
        )
    )


def _replace_older(
    connection: sa.Connection, record: Import, kept: Sequence[_Existing], revision: int
) -> None:
    """The first picture of a newer write takes the place of all the older ones."""
    outdated = [p.pk for p in kept if p.images_version < record.accepted]
    if outdated:
        connection.execute(
            sa.update(images)
            .where(images.c.product_pk.in_(outdated), images.c.removed.is_(None))
            .values(removed=revision)
        )


def _insert_images(
    connection: sa.Connection,
    record: Import,
    revision: int,
    segment: str,
    fresh: Sequence[tuple[int, sa.Row[Any]]],
    existing: dict[str, _Existing],
) -> None:
    new = [
        {
            "id": new_id(),
            "catalog_pk": record.catalog_pk,
            "product_pk": existing[row.product_id].pk,
            "position": row.position,
            "sha256": row.sha256,
            "thumbnail": row.thumbnail,
            "segment": segment,
            "row": at,
            "added": revision,
        }
        for at, row in fresh
    ]
    if new:
        connection.execute(sa.insert(images), new)


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
