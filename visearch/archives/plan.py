"""Lists the items of an archive; an item is one picture of one product."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

from visearch.archives.junk import junk_kind
from visearch.archives.manifest import find_manifest, read_manifest
from visearch.archives.member import PROBLEMS, Archive, Member
from visearch.archives.names import Names
from visearch.archives.sniff import Media
from visearch.archives.tars import TarArchive
from visearch.archives.zips import ZipArchive
from visearch.errors import ArchiveTooLarge
from visearch.records import Attributes, PlannedItem
from visearch.rules import LONGEST_ID, attributes_problem, id_problem
from visearch.tables.products import products
from visearch.tables.row import Row
from visearch.tables.texts import LONGEST_VALUE

# Characters that no id has.
_NO_ID = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
_USE_A_FILE = "visearch does not fetch pictures by URL; put the picture in the archive"
_NO_ID_ADVICE = f"The product id is not 1 to {LONGEST_ID} printable characters. Change it."
_URL = re.compile(r"https?://", re.IGNORECASE)


def plan(file: BinaryIO, media: Media, *, max_items: int) -> Iterator[PlannedItem]:
    """Yield the items of an archive without reading a picture.

    Args:
        file: seekable and readable; zips are read in large pieces.
        media: the kind of archive, as ``sniff`` returned it.
        max_items: the most items, and the most files, that the archive may have.

    The same file always gives the same items, in the order of the manifest or, without
    one, of the archive. An item that cannot be fetched has a ``code`` and a ``detail``.
    Errors are raised during iteration; discard what was yielded before.

    Raises:
        ArchiveCorrupt: the archive or its manifest is broken.
        ArchiveTooLarge: there are more than ``max_items``, or the manifest is too large.
    """
    items: Iterator[PlannedItem]
    archive: Archive = ZipArchive(file) if media == "zip" else TarArchive(file)
    # The first pass finds the manifest and counts the files before any item is yielded.
    manifest = find_manifest(archive, _files(archive, max_items))
    if manifest is None:
        members = enumerate(_files(archive, max_items))
        items = (_from_member(archive, number, member) for number, member in members)
    else:
        items = _from_manifest(archive, manifest, max_items)
    for count, item in enumerate(items):
        if count >= max_items:
            raise _too_many(max_items)
        yield item


def _files(archive: Archive, max_items: int) -> Iterator[Member]:
    count = 0
    for member in archive.members():
        if junk_kind(member.path):
            continue
        count += 1
        # One more than the items: the manifest is a file but not an item.
        if count > max_items + 1:
            raise _too_many(max_items)
        yield member


def _too_many(max_items: int) -> ArchiveTooLarge:
    return ArchiveTooLarge(f"The archive has more than {max_items:,} items. Split it.")


def _from_member(archive: Archive, number: int, member: Member) -> PlannedItem:
    folder, _, name = member.path.rpartition("/")
    stem, dot, _ = name.rpartition(".")
    key = member.path[: len(stem) - len(name)] if dot else member.path
    attributes: Attributes = {"folder": folder.rpartition("/")[2]} if folder else {}
    return _item(archive, member, key, 0, Row(number, key, (), None, None, attributes))


def _from_manifest(archive: Archive, manifest: Member, max_items: int) -> Iterator[PlannedItem]:
    reading = read_manifest(archive, manifest)
    wanted = (path for row in products(reading) for path in row.images)
    names = Names(_files(archive, max_items), manifest, wanted)
    positions: Counter[str] = Counter()
    for row in products(reading):
        if row.problem is not None:
            code = row.code or "invalid_manifest_row"
            yield _refused(manifest.path, row, row.line, 0, code, row.problem)
            continue
        row = row._replace(attributes=_with_description(row))
        for place, path in enumerate(row.images):
            yield _named(archive, names, path, row, row.line_of(place), positions[row.id])
            positions[row.id] += 1


def _with_description(row: Row) -> Attributes:
    """Return the attributes, and the beginning of the description among them if there is room."""
    if row.description is None:
        return row.attributes
    attributes = {**row.attributes, "description": row.description[:LONGEST_VALUE]}
    return row.attributes if attributes_problem(attributes) else attributes


def _named(
    archive: Archive, names: Names, path: str, row: Row, line: int, position: int
) -> PlannedItem:
    if _URL.match(path):
        return _refused(path, row, line, position, "url_not_supported", _USE_A_FILE)
    # '..' can leave the manifest's folder but not the archive.
    member, near = names.resolve(path)
    if member is not None:
        return _item(archive, member, row.id, position, row)
    if near is None:
        missing = "the archive has no such file"
        return _refused(path, row, line, position, "picture_missing", missing)
    why = f"the archive has no such file; there is {_shown(near)!r}, write it so if that is meant"
    return _refused(path, row, line, position, "name_not_found", why)


def _item(archive: Archive, member: Member, key: str, position: int, row: Row) -> PlannedItem:
    code = "invalid_product_id" if id_problem(key) else member.code
    if code is not None:
        detail = PROBLEMS.get(code, _NO_ID_ADVICE)
        return PlannedItem(
            path=_shown(member.path),
            product_id=_shown(key),
            position=position,
            size=member.packed,
            code=code,
            detail=detail,
        )
    return PlannedItem(
        path=_shown(member.path),
        product_id=key,
        position=position,
        title=row.title,
        url=row.url,
        attributes=dict(row.attributes),
        locator=archive.locator(member),
        size=member.packed,
        row=row.line,
    )


def _refused(path: str, row: Row, line: int, position: int, code: str, why: str) -> PlannedItem:
    return PlannedItem(
        path=_shown(path),
        product_id=_shown(row.id),
        position=position,
        code="invalid_product_id" if row.id and id_problem(row.id) else code,
        detail=f"Manifest line {line}: {why}.",
    )


def _shown(text: str) -> str:
    """Return untrusted text in a form that a database and a page can hold."""
    return _NO_ID.sub("\ufffd", text[:LONGEST_ID])
