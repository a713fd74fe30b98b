"""Decoding one chunk: bytes → checked pictures → originals, thumbnails, encoder pixels.

A picture may kill the process that decodes it; nothing is visible before the one transaction
at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from visearch.importing.remote import Got, Group, Later, Picture, fetch, grouped, url_of
from visearch.importing.reuse import KnownPicture, known_picture
from visearch.records import Catalog
from visearch.store import catalogs, chunks, fetched, imports, ledger, mark
from visearch.store.claims import Claim
from visearch.store.database import Connection
from visearch.store.fetched import Came
from visearch.store.imports import PRODUCTS
from visearch.store.ledger import PendingItem

log = structlog.get_logger(__name__)

UPLOAD_DAMAGED = "What was stored of the file cannot be read. Upload it again."


@dataclass(frozen=True)
class _Decoded:
    sha256: str
    thumbnail: str
    pixels: npt.NDArray[np.uint8]


_Good = _Decoded | KnownPicture
_Result = _Good | Later | VisearchError


def decode_chunk(backend: Backend, claim: Claim) -> None:
    """Fetch and decode the pictures of a chunk and hand it on to the encoder.

    A picture that cannot be used is failed with its own code, or put off if its URL may work later;
    the others go on.
    """
    with backend.database.read() as connection:
        catalog = catalogs.get(connection, claim.record.catalog)
    spec = resolve(catalog.encoder)
    found: dict[int, _Result] = {}
    came: dict[str, Came] = {}
    for item, got in _fetch(backend, claim, catalog):
        result = found[item.item] = _use(backend, catalog, spec.preprocess, got)
        if isinstance(got, Picture) and got.came and isinstance(result, _Good):
            came[url_of(item)] = got.came
    results = {item.item: found[item.item] for item in claim.items}
    _commit(backend, claim, results, came, spec.fingerprint)
    backend.flush()


def _fetch(
    backend: Backend, claim: Claim, catalog: Catalog
) -> Iterator[tuple[PendingItem, Got | VisearchError]]:
    remote = [item for item in claim.items if "url" in item.locator]
    here = [item for item in claim.items if "url" not in item.locator]
    for item, data in zip(here, _fetch_here(backend, claim, here), strict=True):
        yield item, data if isinstance(data, VisearchError) else Picture.of(data)
    yield from fetch(backend, claim, catalog, remote)


def _fetch_here(
    backend: Backend, claim: Claim, items: Sequence[PendingItem]
) -> Iterable[bytes | VisearchError]:
    limit, record = backend.settings.max_image_bytes, claim.record
    locators = [item.locator for item in items]
    if record.media == PRODUCTS:
        return (_fetch_blob(backend, locator["blob"], limit) for locator in locators)
    if not locators:
        return ()
    assert record.media != "table", "a table holds no pictures"
    read_range = partial(_read_upload, backend, record.source)
    return archives.fetch(read_range, record.media, locators, max_bytes=limit)


def _read_upload(backend: Backend, source: str, start: int, end: int) -> bytes:
    try:
        return backend.blobs.get_range(source, start, end)
    except NotFound:
        mark.require(backend.database, backend.blobs)
        raise
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
        mark.require(backend.database, backend.blobs)
        return error
    except BlobDamaged:
        return BlobDamaged("What was stored of this picture is damaged. Send it again.")


def _use(
    backend: Backend, catalog: Catalog, preprocess: Preprocess, got: Got | VisearchError
) -> _Result:
    """Decode and store one picture, unless it is known; its error is a result, not an exception."""
    if not isinstance(got, Picture):
        return got
    if known := known_picture(backend, catalog, got.sha256, got.data):
        return known
    try:
        image = decode(got.data, Limits.of(backend.settings), at_least=preprocess.at_least)
    except ImageError as error:
        return error
    return _Decoded(
        sha256=backend.blobs.put_digest("pictures", got.data, sync=False),
        thumbnail=backend.blobs.put_digest("thumbnails", thumbnail(image), sync=False),
        pixels=preprocess.pixels(image),
    )


def _commit(
    backend: Backend,
    claim: Claim,
    results: Mapping[int, _Result],
    came: Mapping[str, Came],
    fingerprint: str,
) -> None:
    decoded = [r for r in results.values() if isinstance(r, _Decoded)]
    # Not under a digest: equal pictures of two imports must not share what is deleted once.
    pixels = claim.name if decoded else None
    if pixels:
        stack = np.stack([r.pixels for r in decoded])
        backend.blobs.put(f"pixels/{pixels}", stack.tobytes(), sync=False)
        # All at once, at the end: the disk then writes them together.
        names = {f"pictures/{r.sha256}" for r in decoded}
        names |= {f"thumbnails/{r.thumbnail}" for r in decoded}
        backend.blobs.sync({*names, f"pixels/{pixels}"})
    if not _settle(backend, claim, results, came, pixels, fingerprint) and pixels:
        backend.blobs.delete(f"pixels/{pixels}")


def _settle(
    backend: Backend,
    claim: Claim,
    results: Mapping[int, _Result],
    came: Mapping[str, Came],
    pixels: str | None,
    fingerprint: str,
) -> bool:
    """Write the results into the ledger; False if the claim was lost.

    ``pixels`` is None if nothing is left for the encoder. If no picture can be used, nothing is
    left to be done. ``came`` is what URLs gave whose hosts say how to ask for changes.
    """
    record = claim.record
    late = grouped(claim, {n: each for n, each in results.items() if isinstance(each, Later)})
    good = sum(isinstance(r, _Good) for r in results.values())
    with backend.database.write() as connection:
        progress.take_locks(connection, record)
        if good:
            held = claim.hand_on(connection, pixels=pixels, fingerprint=fingerprint)
        elif late:
            held = claim.put_off(connection, late[0].delay)
        else:
            held = claim.done(connection)
        if not held:
            return False
        changes = [_change(item, claim, result) for item, result in results.items()]
        ledger.update_items(connection, record.pk, changes)
        _put_off(connection, claim, late if good else late[1:])
        arrived = sum(change["stage"] != "fetch" for change in changes)
        known = sum(isinstance(r, KnownPicture) for r in results.values())
        failed = sum(isinstance(r, VisearchError) for r in results.values())
        counts = {"fetched": arrived, "decoded": good, "embedded": known, "failed": failed}
        imports.count(connection, record.pk, **counts)
        fetched.note(connection, record.catalog_pk, came)
        progress.advance(connection, record.pk, backend.settings)
    return True


def _put_off(connection: Connection, claim: Claim, late: Sequence[Group]) -> None:
    """Move items into chunks of their own, which wait."""
    first = chunks.next_split(connection, claim.record.pk)
    for number, group in enumerate(late, first):
        chunks.add(connection, claim.record.pk, [number], tries=claim.tries, delay=group.delay)
        moves = [{"item": item, "chunk": number} for item in group.items]
        ledger.update_items(connection, claim.record.pk, moves)


def _change(item: int, claim: Claim, result: _Result) -> dict[str, Any]:
    if isinstance(result, Later):
        tried = result.fetches + claim.tries - 1
        why = {"code": result.error.code, "detail": result.error.detail}
        return {"item": item, "attempts": tried, "stage": "fetch", **why}
    common = {"item": item, "attempts": claim.attempts}
    if isinstance(result, _Good):
        stored = {"sha256": result.sha256, "thumbnail": result.thumbnail}
        stage = "embed" if isinstance(result, _Decoded) else "index"
        # It may have been put off before.
        return {**common, **stored, "stage": stage, "code": None, "detail": None}
    failure = {"status": "failed", "code": result.code, "detail": result.detail}
    stage = "decode" if isinstance(result, ImageError) else "fetch"
    return {**common, **failure, "stage": stage}
