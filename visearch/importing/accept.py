"""Accepting work: before anyone answers, the bytes are stored and the import has its row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from visearch import archives
from visearch.archives import compression_of, open_compressed, sniff
from visearch.backend import Backend
from visearch.errors import ArchiveTooLarge, DependencyUnavailable, InvalidRequest
from visearch.ids import new_id
from visearch.importing.admission import check_disk, check_room
from visearch.records import Attributes, Catalog, Import, PlannedItem
from visearch.rules import product_problem
from visearch.store import catalogs, chunks, imports, ledger, mappings
from visearch.store.database import Connection
from visearch.store.imports import PRODUCTS
from visearch.tables.mapping import Choice, Known

SNIFF_BYTES = 4096
LOOK_BYTES = 64 << 20
"""So often an upload looks whether the disk still has room."""
MAX_PRODUCT_IMAGES = 10
Mode = Literal["upsert", "replace"]
_TABLE = re.compile(
    r"(\.(?:csv|tsv|tab|txt|xlsx|xlsm|json|ndjson|jsonl|xml|rss|atom))(?:\.(?:gz|xz|zst|zstd))?$"
)


class Stored(NamedTuple):
    """An uploaded file: its blob, and what kind of file it is."""

    source: str
    media: archives.Media


def accept_file(
    backend: Backend,
    catalog: str,
    parts: Iterable[bytes],
    *,
    mode: Mode,
    request_id: str,
    import_id: str | None = None,
    name: str = "",
    guard: float | None = None,
    choices: Callable[[], dict[str, Choice]] = dict,
) -> Import:
    """Stream an archive or a table into the blob store and accept it as an import.

    It gets the id ``import_id`` if one is given. What the file is called, ``name``, only matters
    where a table's content does not tell its kind. ``choices``, asked once the file is stored, says
    what its sender says of its columns, and ``guard`` what share of the catalog a replace may
    remove.

    Raises:
        NotFound: no such catalog.
        UnsupportedArchive: neither zip nor tar nor a table, which may be compressed.
        ArchiveCorrupt: it is compressed, and cannot be decompressed.
        ArchiveTooLarge: more bytes than ``max_upload_bytes``.
        InvalidRequest: the choices cannot be used.
        Overloaded: there is no room for more work.
    """
    import_id = import_id or new_id()
    stored = store_file(backend, catalog, parts, import_id, name)
    try:
        said = choices()
        with backend.database.write() as connection:
            return accept_stored(
                connection,
                catalogs.get(connection, catalog),
                stored,
                mode=mode,
                request_id=request_id,
                import_id=import_id,
                guard=guard,
                choices=said,
            )
    except DependencyUnavailable:
        raise  # it may have been committed all the same; if not, the file is purged
    except BaseException:
        backend.blobs.delete(stored.source)
        raise


def store_file(
    backend: Backend, catalog: str, parts: Iterable[bytes], owner: str, name: str
) -> Stored:
    """Stream a file for a catalog into the blob store; ``owner`` is the id of what it is for.

    Raises:
        As ``accept_file``.
    """
    with backend.database.read() as connection:
        catalogs.get(connection, catalog)
    check_room(backend)
    # A request that is sent again may have the same id; each try has a file of its own.
    source = f"uploads/{owner}-{new_id()}{_ending(name)}"
    head, parts = _head(parts)
    if compression := compression_of(head):
        limit = backend.settings.max_upload_bytes
        head, parts = _head(open_compressed(parts, compression, max_bytes=limit))
    media = sniff(head)
    try:
        backend.blobs.put(source, _bounded(backend, parts))
    except DependencyUnavailable:
        raise  # it may be there all the same; then it is purged
    except BaseException:
        backend.blobs.delete(source)
        raise
    return Stored(source, media)


def accept_stored(
    connection: Connection,
    catalog: Catalog,
    stored: Stored,
    *,
    mode: Mode,
    request_id: str,
    import_id: str,
    guard: float | None,
    choices: dict[str, Choice],
) -> Import:
    """Accept a file that is stored as an import, with what is known of its columns now."""
    record = imports.create(
        connection,
        catalog,
        import_id=import_id,
        mode=mode,
        media=stored.media,
        source=stored.source,
        request_id=request_id,
        guard=guard,
    )
    known = Known(choices=choices, saved=mappings.of_catalog(connection, catalog.pk))
    mappings.remember(connection, record.pk, known)
    imports.send_plan(connection, record)
    return record


def _ending(name: str) -> str:
    """Return the ending of a table's name; planning gets it with the name of the stored file."""
    found = _TABLE.search(name.lower())
    return found[1] if found else ""


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
    pictures: Sequence[bytes | str],
    *,
    title: str | None = None,
    url: str | None = None,
    description: str | None = None,
    attributes: Attributes | None = None,
    request_id: str,
) -> Import:
    """Accept one product with its pictures, or their URLs, as an import of one item per picture.

    Raises:
        NotFound: no such catalog.
        InvalidRequest: no picture, or more than ten; an id, a text or attributes that a product
            cannot have (``visearch.rules``).
        Overloaded: there is no room for more work.
    """
    if not 1 <= len(pictures) <= MAX_PRODUCT_IMAGES:
        detail = f"A product needs 1 to {MAX_PRODUCT_IMAGES} pictures, not {len(pictures)}."
        raise InvalidRequest(detail, (("/images", detail),))
    if problem := product_problem(product_id, title, url, attributes or {}, description):
        raise InvalidRequest(problem[1], (problem,))
    with backend.database.read() as connection:
        catalogs.get(connection, catalog)
    check_room(backend)
    planned = [
        PlannedItem(
            path=f"{product_id}#{position}",
            product_id=product_id,
            position=position,
            title=title,
            url=url,
            description=description,
            attributes=attributes or {},
            locator=_locator(backend, picture),
            size=0 if isinstance(picture, str) else len(picture),
        )
        for position, picture in enumerate(pictures)
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


def _locator(backend: Backend, picture: bytes | str) -> dict[str, str]:
    if isinstance(picture, str):
        return {"url": picture}
    return {"blob": backend.blobs.put_digest("pictures", picture)}
