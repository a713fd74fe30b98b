"""Finds the table in an archive that lists its products, and reads it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from visearch.archives.junk import is_no_picture
from visearch.archives.member import PROBLEMS, Archive, Member
from visearch.errors import (
    ArchiveCorrupt,
    ArchiveError,
    ArchiveTooLarge,
    InvalidRequest,
    excess,
)
from visearch.tables.foreign import DOCUMENTS
from visearch.tables.mapping import Known
from visearch.tables.opening import open_table
from visearch.tables.products import Look, look, read_through

LARGEST = 512 * 1024 * 1024
_TABLES = (
    "csv", "tsv", "tab", "xlsx", "xlsm", "xls", "xlsb", "ods", "numbers", "json", "ndjson",
    "jsonl", "xml", "rss", "atom",
)  # fmt: skip
_PACKED = ("gz", "xz", "zst", "bz2")
_TEXT = "txt"
"""A table in a file of this ending is one if it lists products; else it is a note to somebody."""

_LOOKED_AT = 20
"""So many files without an ending are looked at, those in the fewest folders."""

NOTHING = Known()
_SHOWN = 5


class Found(NamedTuple):
    """The table that lists an archive's products, if it has one.

    ``is_document``: it is no archive of pictures, but the document of an office program.
    """

    manifest: Member | None
    is_document: bool = False


def find_manifest(archive: Archive, members: Iterable[Member], known: Known = NOTHING) -> Found:
    """Find the only table of an archive, at whatever depth.

    A table is never taken for a file like others: a replace would delete what it lists. A file
    whose name has no ending is one if it lists products.

    Raises:
        ArchiveCorrupt: there are several.
    """
    tables: list[Member] = []
    texts: list[Member] = []
    unknown: list[Member] = []
    for member in members:
        if member.path in DOCUMENTS:
            return Found(None, is_document=True)
        ending = _ending(member.path)
        if ending in _TABLES and len(tables) < _SHOWN:
            tables.append(member)
        elif ending == _TEXT and len(texts) < _SHOWN:
            texts.append(member)
        elif not ending and not is_no_picture(member.path):
            unknown.append(member)
            if len(unknown) >= 50 * _LOOKED_AT:
                unknown = _highest(unknown)
    others = (*texts, *_highest(unknown))
    found = tables or [each for each in others if _lists_products(archive, each, known)]
    if len(found) > 1:
        names = ", ".join(sorted(each.path for each in found))
        raise ArchiveCorrupt(
            f"The archive holds several tables ({names}). Keep the one that lists the products."
        )
    return Found(found[0] if found else None)


def _ending(path: str) -> str:
    """Return the ending of a file's name, of a packed one that of what is in it; "" if none."""
    name, dot, ending = path.rpartition("/")[2].casefold().strip().rpartition(".")
    return _ending(name) if ending in _PACKED else ending if dot else ""


def _highest(members: Iterable[Member]) -> list[Member]:
    return sorted(members, key=lambda member: member.path.count("/"))[:_LOOKED_AT]


def look_at_manifest(archive: Archive, manifest: Member, known: Known = NOTHING) -> Look:
    """Look at the table: what its columns are, as far as its beginning and ``known`` tell.

    Raises:
        ArchiveCorrupt: it cannot be read, or is no table.
        ArchiveTooLarge: it has more than ``LARGEST`` bytes.
        InvalidRequest: ``known`` names columns that it lacks.
    """
    if manifest.code is not None:
        raise ArchiveCorrupt(f"The manifest cannot be read. {PROBLEMS[manifest.code]}")
    size = max(manifest.size, manifest.packed)
    if size > LARGEST:
        raise ArchiveTooLarge(
            f"The manifest has {excess(size, LARGEST, 'bytes')}. Split the import."
        )
    table = open_table(lambda: archive.content(manifest), manifest.path)
    return look(table, known.saved, known.choices)


def _lists_products(archive: Archive, member: Member, known: Known) -> bool:
    try:
        read_through(look_at_manifest(archive, member, known))
    except (ArchiveError, InvalidRequest):
        return False
    return True
