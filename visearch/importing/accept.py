"""Accepting work: before anyone answers, the bytes are stored and the import has its row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from visearch.archives import compression_of, open_compressed, sniff
from visearch.backend import Backend
from visearch.errors import ArchiveTooLarge, DependencyUnavailable, InvalidRequest
from visearch.ids import new_id
from visearch.importing.admission import check_disk, check_room
from visearch.records import Attributes, Import, PlannedItem
from visearch.rules import product_problem
from visearch.store import catalogs, chunks, imports, ledger
from visearch.store.imports import PRODUCTS

SNIFF_BYTES = 4096
LOOK_BYTES = 64 << 20
"""So often an upload looks whether the disk still has room."""
MAX_PRODUCT_IMAGES = 10
Mode = Literal["upsert", "replace"]


def accept_file(
    backend: Backend,
    catalog: str,
    parts: Iterable[bytes],
    *,
    mode: Mode,
    request_id: str,
    import_id: str | None = None,
) -> Import:
    """Stream an archive into the blob store and accept it as an import.

    It gets the id ``import_id`` if one is given.

    Raises:
        NotFound: no such catalog.
        UnsupportedArchive: neither zip nor tar, which may be compressed.
        ArchiveCorrupt: it is compressed, and cannot be decompressed.
        ArchiveTooLarge: more bytes than ``max_upload_bytes``.
        Overloaded: there is no room for more work.
    """
    with backend.database.read() as connection:
        catalogs.get(connection, catalog)
    check_room(backend)
    import_id = import_id or new_id()
    # A request that is sent again may have the same id; each try has a file of its own.
    source = f"uploads/{import_id}-{new_id()}"
    head, parts = _head(parts)
    if compression := compression_of(head):
        limit = backend.settings.max_upload_bytes
        head, parts = _head(open_compressed(parts, compression, max_bytes=limit))
    media = sniff(head)
    try:
        backend.blobs.put(source, _bounded(backend, parts))
        with backend.database.write() as connection:
            record = imports.create(
                connection,
                catalogs.get(connection, catalog),
                import_id=import_id,
                mode=mode,
                media=media,
                source=source,
                request_id=request_id,
            )
            imports.send_plan(connection, record)
    except DependencyUnavailable:
        raise  # it may have been committed all the same; if not, the file is purged
    except BaseException:
        backend.blobs.delete(source)
        raise
    return record


def _head(parts: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Read enough bytes to recognise the format; returns them, and the whole stream anew."""
    source, taken = iter(parts), b""
    for part in source:
        taken += part
        if len(taken) >= SNIFF_BYTES:
            break
    return taken, _chain(taken, source)


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _bounded(backend: Backend, parts: Iterable[bytes]) -> Iterator[bytes]:
    total, limit, checked = 0, backend.settings.max_upload_bytes, 0
    for part in parts:
        total += len(part)
        if total - checked > LOOK_BYTES:
            check_disk(backend)
            checked = total
        if total > limit:
            raise ArchiveTooLarge(
                f"The file has more than {limit} bytes. Split it into several imports."
            )
        yield part


def accept_product(
    backend: Backend,
    catalog: str,
    product_id: str,
    pictures: Sequence[bytes],
    *,
    title: str | None = None,
    url: str | None = None,
    attributes: Attributes | None = None,
    request_id: str,
) -> Import:
    """Accept one product with its pictures as an import of one item per picture.

    Raises:
        NotFound: no such catalog.
        InvalidRequest: no picture, or more than ten; an id, a text or attributes that a product
            cannot have (``visearch.rules``).
        Overloaded: there is no room for more work.
    """
    if not 1 <= len(pictures) <= MAX_PRODUCT_IMAGES:
        detail = f"A product needs 1 to {MAX_PRODUCT_IMAGES} pictures, not {len(pictures)}."
        raise InvalidRequest(detail, (("/images", detail),))
    if problem := product_problem(product_id, title, url, attributes or {}):
        raise InvalidRequest(problem[1], (problem,))
    with backend.database.read() as connection:
        catalogs.get(connection, catalog)
    check_room(backend)
    digests = [backend.blobs.put_digest("pictures", data) for data in pictures]
    planned = [
        PlannedItem(
            path=f"{product_id}#{position}",
            product_id=product_id,
            position=position,
            title=title,
            url=url,
            attributes=attributes or {},
            locator={"blob": digest},
            size=len(pictures[position]),
        )
        for position, digest in enumerate(digests)
    ]
    with backend.database.write() as connection:
        record = imports.create(
            connection,
            catalogs.get(connection, catalog),
            mode="upsert",
            media=PRODUCTS,
            source="",
            request_id=request_id,
        )
        ledger.add_items(connection, record.pk, 0, [(0, item) for item in planned])
        chunks.add(connection, record.pk, [0])
        imports.start(connection, record.pk, len(planned))
        chunks.send(connection, record.pk, [0])
    return record
