"""Finds the manifest of an archive and reads its rows one at a time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from visearch.archives.csvrows import csv_rows
from visearch.archives.jsonrows import json_rows
from visearch.archives.lines import text_lines
from visearch.archives.member import PROBLEMS, Archive, Member
from visearch.archives.row import Row
from visearch.errors import ArchiveCorrupt, ArchiveTooLarge, excess

LARGEST = 512 * 1024 * 1024
_REQUIRED = ("id", "sku", "image")
_NAMES = ("manifest.csv", "manifest.ndjson", "manifest.jsonl")


class Manifest(NamedTuple):
    """A manifest's member and the folder its paths start from (with its slash, or empty)."""

    member: Member
    folder: str


def find_manifest(archive: Archive, members: Iterable[Member]) -> Manifest | None:
    """Return the manifest at the root or in the only top folder; None if there is none.

    A CSV file of another name is a manifest if its first line names a required column.

    Raises:
        ArchiveCorrupt: several files could be the manifest, or one of them cannot be read.
    """
    tops: set[str] = set()  # two tell as much as many
    found: dict[str, Member] = {}
    for member in members:
        top, slash, _ = member.path.partition("/")
        if len(tops) < 2:
            tops.add(top + slash)
        if member.path.count("/") <= 1 and _may_be(member.path):
            found[member.path] = member
    top = tops.pop() if len(tops) == 1 else ""
    folder = top if top.endswith("/") else ""
    here = [m for m in found.values() if m.path.rpartition("/")[0] == folder[:-1]]
    choice = _choose(archive, here)
    return None if choice is None else Manifest(choice, folder)


def rows(archive: Archive, manifest: Manifest) -> Iterator[Row]:
    """Yield the manifest's rows in order; only the current one is held in memory.

    Raises:
        ArchiveCorrupt: unreadable, not UTF-8, a column is missing or a row malformed.
        ArchiveTooLarge: the manifest has more than ``LARGEST`` bytes.
    """
    member = manifest.member
    if member.code is not None:
        raise ArchiveCorrupt(f"The manifest cannot be read. {PROBLEMS[member.code]}")
    if max(member.size, member.packed) > LARGEST:
        raise ArchiveTooLarge(
            f"The manifest has {excess(max(member.size, member.packed), LARGEST, 'bytes')}. "
            "Split the import."
        )
    lines = text_lines(archive.content(member))
    return csv_rows(lines) if member.path.lower().endswith(".csv") else json_rows(lines)


def _may_be(path: str) -> bool:
    name = path.rpartition("/")[2].lower()
    return name.endswith(".csv") or name in _NAMES


def _choose(archive: Archive, found: list[Member]) -> Member | None:
    named = [m for m in found if m.path.rpartition("/")[2].lower() in _NAMES]
    choice = named or [m for m in found if _names_columns(archive, m)]
    if len(choice) > 1:
        names = ", ".join(sorted(m.path for m in choice[:5]))
        raise ArchiveCorrupt(f"Several files could be the manifest ({names}). Keep one.")
    return choice[0] if choice else None


def _names_columns(archive: Archive, member: Member) -> bool:
    """Tell whether a CSV's first line, whatever its delimiter, names a required column."""
    if member.code is not None:
        return True  # unreadable: reading its rows will say why
    _, first = next(text_lines(archive.content(member)), (1, ""))
    names = {name.strip(' "\t').casefold() for name in re.split("[,;\t|]", first)}
    return not names.isdisjoint(_REQUIRED)
