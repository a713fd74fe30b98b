"""Labelled picture files: a folder, zip or tar, labelled by a CSV table or folder names."""

from __future__ import annotations

import csv
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath

from visearch.errors import ArchiveCorrupt

Row = dict[str, str]

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")


def labelled_files(
    pictures: Path, table: Path | None, columns: set[str]
) -> Iterator[tuple[bytes, Row]]:
    """Yield each picture with its row, in the order of the table or, without one, of names.

    Rows whose picture is missing are skipped. Without a table, a row has ``image`` (the path)
    and ``folder`` (the name of its folder).

    Raises:
        ArchiveCorrupt: the archive or the table cannot be read, or the table lacks one of
            ``columns``.
    """
    with _opened(pictures) as (names, read):
        for row in _rows(names, table, columns):
            if row["image"] in names:
                yield _read(pictures, read, row["image"]), row


def _read(pictures: Path, read: Callable[[str], bytes], name: str) -> bytes:
    try:
        return read(name)
    except _BROKEN as error:
        raise ArchiveCorrupt(f"{name} in {pictures} cannot be read ({error}).") from error
    except (RuntimeError, NotImplementedError) as error:  # a password, another compression
        raise ArchiveCorrupt(f"{name} in {pictures} cannot be unpacked ({error}).") from error


def _rows(names: dict[str, object], table: Path | None, columns: set[str]) -> Iterator[Row]:
    if table is None:
        _require(("image", "folder"), columns, "A source without a table")
        for name in sorted(names):
            if name.lower().endswith(_SUFFIXES):
                yield {"image": name, "folder": PurePosixPath(name).parent.name}
        return
    try:
        yield from _table_rows(table, columns)
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise ArchiveCorrupt(
            f"{table} cannot be read as CSV in UTF-8 ({error}). Save it in this form."
        ) from error


def _table_rows(table: Path, columns: set[str]) -> Iterator[Row]:
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        _require(tuple(rows.fieldnames or ()), columns | {"image"}, str(table))
        for row in rows:
            if None in row or None in row.values():
                raise ArchiveCorrupt(
                    f"{table}: line {rows.line_num} does not have one value for each column."
                )
            yield row


def _require(there: tuple[str, ...], columns: set[str], where: str) -> None:
    if missing := columns - set(there):
        raise ArchiveCorrupt(f"{where} has no column {', '.join(sorted(missing))}.")


_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[dict[str, object], Callable[[str], bytes]]]:
    """Open a folder, zip or tar; yield its members by name and a function to read one."""
    if path.is_dir():
        files = {p.relative_to(path).as_posix(): p for p in path.rglob("*") if p.is_file()}
        yield dict(files), lambda name: files[name].read_bytes()
    elif zipfile.is_zipfile(path):
        with _zip(path) as archive:
            yield dict.fromkeys(archive.namelist()), archive.read
    else:
        with _tar(path) as tar:
            members = {m.name.removeprefix("./"): m for m in _members(path, tar) if m.isfile()}
            yield dict(members), lambda name: _read_member(tar, members[name])


def _zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except _BROKEN as error:
        raise ArchiveCorrupt(f"{path} is a damaged zip ({error}).") from error


def _members(path: Path, tar: tarfile.TarFile) -> list[tarfile.TarInfo]:
    try:
        return tar.getmembers()
    except _BROKEN as error:
        raise ArchiveCorrupt(f"{path} is cut off or damaged ({error}).") from error


@contextmanager
def _tar(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        tar = tarfile.open(path)  # noqa: SIM115  (closed below)
    except (tarfile.TarError, OSError) as error:
        raise ArchiveCorrupt(f"{path} is neither a folder, a zip nor a tar ({error}).") from error
    with closing(tar):
        yield tar


def _read_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    if file is None:
        raise ArchiveCorrupt(f"{member.name} is not a file.")
    with file:
        return file.read()
