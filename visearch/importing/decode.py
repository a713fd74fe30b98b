"""Decoding one chunk: bytes → checked pictures → originals, thumbnails, encoder pixels.

Runs in a process that may be killed by what it decodes; nothing is visible before the
one transaction at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from visearch import archives
from visearch.backend import Backend
from visearch.encoders.spec import resolve
from visearch.errors import ImageError, ImageTooLarge, NotFound, VisearchError
from visearch.images import Limits, Preprocess, decode, thumbnail
from visearch.importing import progress
from visearch.records import ACTIVE, Import
from visearch.store import catalogs, chunks, imports, ledger


@dataclass(frozen=True)
class _Decoded:
    sha256: str
    thumbnail: str
    pixels: npt.NDArray[np.uint8]


def decode_chunk(backend: Backend, import_id: str, chunk: int, attempt: int, worker: str) -> None:
    """Fetch and decode the pictures of a chunk and hand it on to the encoder.

    A picture that cannot be used is failed with its own code; the others go on.
    """
    with backend.database.write() as connection:
        record = imports.by_id(connection, import_id)
        claimed = chunks.claim(connection, record.pk, chunk, chunks.DECODE, attempt, worker)
        if claimed is None or record.status not in ACTIVE:
            return
        rows = ledger.chunk_items(connection, record.pk, chunk)
        catalog = catalogs.get(connection, record.catalog)
    spec = resolve(catalog.encoder)
    fetched = _fetch(backend, record, rows)
    results = [_use(backend, spec.preprocess, data) for data in fetched]
    _commit(backend, record, chunk, attempt, rows, results, spec.fingerprint)
    backend.flush()


def _fetch(
    backend: Backend, record: Import, rows: Sequence[sa.Row[Any]]
) -> Iterator[bytes | VisearchError]:
    limit = backend.settings.max_image_bytes
    locators = [row.locator for row in rows]
    if record.media == "blobs":
        return (_fetch_blob(backend, locator["blob"], limit) for locator in locators)
    read_range = partial(backend.blobs.get_range, record.source)
    return archives.fetch(read_range, record.media, locators, max_bytes=limit)


def _fetch_blob(backend: Backend, digest: str, limit: int) -> bytes | VisearchError:
    try:
        if backend.blobs.size(f"pictures/{digest}") > limit:
            return ImageTooLarge(f"the picture has more than {limit} bytes; make it smaller")
        return backend.blobs.get(f"pictures/{digest}")
    except NotFound as error:
        return error


def _use(
    backend: Backend, preprocess: Preprocess, data: bytes | VisearchError
) -> _Decoded | VisearchError:
    """Decode and store one picture; its error is a result, not an exception."""
    if isinstance(data, VisearchError):
        return data
    try:
        image = decode(data, Limits.of(backend.settings), at_least=preprocess.at_least)
    except ImageError as error:
        return error
    return _Decoded(
        sha256=backend.blobs.put_digest("pictures", data),
        thumbnail=backend.blobs.put_digest("thumbnails", thumbnail(image)),
        pixels=preprocess.pixels(image),
    )


def _commit(
    backend: Backend,
    record: Import,
    chunk: int,
    attempt: int,
    rows: Sequence[sa.Row[Any]],
    results: Sequence[_Decoded | VisearchError],
    fingerprint: str,
) -> None:
    good = [r.pixels for r in results if isinstance(r, _Decoded)]
    # Not under a digest: equal pictures of two imports must not share what is deleted once.
    pixels = f"{record.id}-{chunk}-{attempt}" if good else None
    if pixels:
        backend.blobs.put(f"pixels/{pixels}", np.stack(good).tobytes())
    made = {"pixels": pixels, "fingerprint": fingerprint} if pixels else {}
    if not _hand_on(backend, record, chunk, attempt, rows, results, made) and pixels:
        backend.blobs.delete(f"pixels/{pixels}")


def _hand_on(
    backend: Backend,
    record: Import,
    chunk: int,
    attempt: int,
    rows: Sequence[sa.Row[Any]],
    results: Sequence[_Decoded | VisearchError],
    made: dict[str, str],
) -> bool:
    """Write the results into the ledger; False if another attempt has taken over.

    ``made`` is what the next stage needs; nothing, if no picture can be used.
    """
    changes = [_change(row.item, attempt, r) for row, r in zip(rows, results, strict=True)]
    with backend.database.write() as connection:
        progress.take_locks(connection, record.pk)
        state = (
            {"state": "waiting", "stage": chunks.EMBED, "attempt": 1, **made}
            if made
            else {"state": "done"}
        )
        if not chunks.finish(connection, record.pk, chunk, chunks.DECODE, attempt, **state):
            return False
        ledger.update_items(connection, record.pk, changes)
        fetched = sum(change["stage"] != "fetch" for change in changes)
        decoded = sum(isinstance(r, _Decoded) for r in results)
        failed = len(rows) - decoded
        imports.count(connection, record.pk, fetched=fetched, decoded=decoded, failed=failed)
        if made:
            chunks.send(connection, record.pk, [chunk])
        progress.advance(connection, record.pk, backend.settings)
    return True


def _change(item: int, attempt: int, result: _Decoded | VisearchError) -> dict[str, Any]:
    common = {"item": item, "attempts": attempt}
    if isinstance(result, _Decoded):
        stored = {"sha256": result.sha256, "thumbnail": result.thumbnail}
        return {**common, **stored, "stage": "embed"}
    failure = {"status": "failed", "code": result.code, "detail": result.detail}
    stage = "decode" if isinstance(result, ImageError) else "fetch"
    return {**common, **failure, "stage": stage}
