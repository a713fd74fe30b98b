"""Finds the table in an archive that lists its products, and reads it."""

from __future__ import annotations

from collections.abc import Iterable

from visearch.archives.member import PROBLEMS, Archive, Member
from visearch.errors import ArchiveCorrupt, ArchiveError, ArchiveTooLarge, excess
from visearch.tables.opening import open_table
from visearch.tables.products import Reading, read

LARGEST = 512 * 1024 * 1024
_TABLES = (
    "csv", "tsv", "tab", "xlsx", "xlsm", "xls", "xlsb", "ods", "numbers", "json", "ndjson",
    "jsonl", "xml",
)  # fmt: skip
_TEXT = "txt"
"""A table in a file of this ending is one if it lists products; else it is a note to somebody."""

_SHOWN = 5


def find_manifest(archive: Archive, members: Iterable[Member]) -> Member | None:
    """Return the only table of an archive, at whatever depth; None if there is none.

    A table is never taken for a file like others: a replace would delete what it lists.

    Raises:
        ArchiveCorrupt: there are several.
    """
    tables: list[Member] = []
    texts: list[Member] = []
    for member in members:
        ending = member.path.rpartition(".")[2].casefold()
        if ending in _TABLES and len(tables) < _SHOWN:
            tables.append(member)
        elif ending == _TEXT and len(texts) < _SHOWN:
            texts.append(member)
    found = tables or [each for each in texts if _lists_products(archive, each)]
    if len(found) > 1:
        names = ", ".join(sorted(each.path for each in found))
        raise ArchiveCorrupt(
            f"The archive holds several tables ({names}). Keep the one that lists the products."
        )
    return found[0] if found else None


def read_manifest(archive: Archive, manifest: Member) -> Reading:
    """Look through the table: what its columns are, and what of it cannot be used.

    Raises:
        ArchiveCorrupt: it cannot be read, or is no table.
        ArchiveTooLarge: it has more than ``LARGEST`` bytes.
        MappingIncomplete: no column is known to hold the ids, or the pictures.
    """
    if manifest.code is not None:
        raise ArchiveCorrupt(f"The manifest cannot be read. {PROBLEMS[manifest.code]}")
    size = max(manifest.size, manifest.packed)
    if size > LARGEST:
        raise ArchiveTooLarge(
            f"The manifest has {excess(size, LARGEST, 'bytes')}. Split the import."
        )
    return read(open_table(lambda: archive.content(manifest), manifest.path))


def _lists_products(archive: Archive, member: Member) -> bool:
    try:
        read_manifest(archive, member)
    except ArchiveError:
        return False
    return True
