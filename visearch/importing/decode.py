"""Decoding one chunk: bytes → checked pictures → originals, thumbnails, encoder pixels.

A picture may kill the process that decodes it; nothing is visible before the one transaction
at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from visearch import archives
from visearch.backend import Backend
from visearch.encoders.spec import resolve
from visearch.errors import BlobDamaged, ImageError, ImageTooLarge, NotFound, VisearchError
from visearch.images import Limits, Preprocess, decode, thumbnail
from visearch.importing import progress
from visearch.store import catalogs, imports, ledger
from visearch.store.claims import Claim
from visearch.store.imports import PRODUCTS

log = structlog.get_logger(__name__)

UPLOAD_DAMAGED = "What was stored of the file cannot be read. Upload it again."


@dataclass(frozen=True)
class _Decoded:
    sha256: str
    thumbnail: str
    pixels: npt.NDArray[np.uint8]


def decode_chunk(backend: Backend, claim: Claim) -> None:
    """Fetch and decode the pictures of a chunk and hand it on to the encoder.

    A picture that cannot be used is failed with its own code; the others go on.
    """
    with backend.database.read() as connection:
        catalog = catalogs.get(connection, claim.record.catalog)
    spec = resolve(catalog.encoder)
    results = [_use(backend, spec.preprocess, data) for data in _fetch(backend, claim)]
    _commit(backend, claim, results, spec.fingerprint)
    backend.flush()


def _fetch(backend: Backend, claim: Claim) -> Iterator[bytes | VisearchError]:
    limit, record = backend.settings.max_image_bytes, claim.record
    locators = [item.locator for item in claim.items]
    if record.media == PRODUCTS:
        return (_fetch_blob(backend, locator["blob"], limit) for locator in locators)
    read_range = partial(_read_upload, backend, record.source)
    return archives.fetch(read_range, record.media, locators, max_bytes=limit)


def _read_upload(backend: Backend, source: str, start: int, end: int) -> bytes:
    try:
        return backend.blobs.get_range(source, start, end)
    except BlobDamaged as error:
        log.error("upload_damaged", error=error.detail)
        raise BlobDamaged(UPLOAD_DAMAGED) from error  # without our paths: clients read it


def _fetch_blob(backend: Backend, digest: str, limit: int) -> bytes | VisearchError:
    try:
        if backend.blobs.size(f"pictures/{digest}") > limit:
            return ImageTooLarge(
                f"The picture file has more than {limit} bytes. Send a smaller copy."
            )
        return backend.blobs.get_digest("pictures", digest)
    except NotFound as error:
        return error
    except BlobDamaged:
        return BlobDamaged("What was stored of this picture is damaged. Send it again.")


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
        sha256=backend.blobs.put_digest("pictures", data, sync=False),
        thumbnail=backend.blobs.put_digest("thumbnails", thumbnail(image), sync=False),
        pixels=preprocess.pixels(image),
    )


def _commit(
    backend: Backend, claim: Claim, results: Sequence[_Decoded | VisearchError], fingerprint: str
) -> None:
    good = [r for r in results if isinstance(r, _Decoded)]
    # Not under a digest: equal pictures of two imports must not share what is deleted once.
    pixels = claim.name if good else None
    if pixels:
        stack = np.stack([r.pixels for r in good])
        backend.blobs.put(f"pixels/{pixels}", stack.tobytes(), sync=False)
        # All at once, at the end: the disk then writes them together.
        names = {f"pictures/{r.sha256}" for r in good} | {f"thumbnails/{r.thumbnail}" for r in good}
        backend.blobs.sync({*names, f"pixels/{pixels}"})
    if not _settle(backend, claim, results, pixels, fingerprint) and pixels:
        backend.blobs.delete(f"pixels/{pixels}")


def _settle(
    backend: Backend,
    claim: Claim,
    results: Sequence[_Decoded | VisearchError],
    pixels: str | None,
    fingerprint: str,
) -> bool:
    """Write the results into the ledger; False if the claim was lost.

    ``pixels`` is None if no picture can be used: then nothing is left for the encoder.
    """
    record = claim.record
    changes = [
        _change(item.item, claim.tries, result)
        for item, result in zip(claim.items, results, strict=True)
    ]
    with backend.database.write() as connection:
        progress.take_locks(connection, record)
        if pixels:
            held = claim.hand_on(connection, pixels=pixels, fingerprint=fingerprint)
        else:
            held = claim.done(connection)
        if not held:
            return False
        ledger.update_items(connection, record.pk, changes)
        fetched = sum(change["stage"] != "fetch" for change in changes)
        decoded = sum(isinstance(r, _Decoded) for r in results)
        failed = len(results) - decoded
        imports.count(connection, record.pk, fetched=fetched, decoded=decoded, failed=failed)
        progress.advance(connection, record.pk, backend.settings)
    return True


def _change(item: int, tries: int, result: _Decoded | VisearchError) -> dict[str, Any]:
    common = {"item": item, "attempts": tries}
    if isinstance(result, _Decoded):
        stored = {"sha256": result.sha256, "thumbnail": result.thumbnail}
        return {**common, **stored, "stage": "embed"}
    failure = {"status": "failed", "code": result.code, "detail": result.detail}
    stage = "decode" if isinstance(result, ImageError) else "fetch"
    return {**common, **failure, "stage": stage}
