"""Opens a workbook (.xlsx): its parts, within limits, and the sheets that it lists."""

from __future__ import annotations

import posixpath
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

from lxml import etree

from visearch.errors import TableUnreadable, excess, first_line
from visearch.tables.foreign import SEND, refuse_members
from visearch.tables.limits import LARGEST_PART, LARGEST_SHEET, LONGEST_RECORD, MOST_PARTS
from visearch.tables.table import Source
from visearch.tables.xml_stream import SAFE, fault

_END = b"PK\x05\x06"
_END_64 = b"PK\x06\x06"
_LONGEST_TAIL = 22 + 0xFFFF
_DIRECTORY_64 = 76  # the zip64 end record and its locator, which precede the end record

_PIECE = 64 * 1024
_ADVICE = "Open it in a spreadsheet and save it again, as .xlsx or as CSV."


class Sheet(NamedTuple):
    """A sheet that people see, and the part that holds its cells."""

    name: str
    part: str


class Workbook:
    """The parts of an open workbook."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        names = set(archive.namelist())
        main = self._related("", "officeDocument")
        self._main = main[0] if main else "xl/workbook.xml"
        refuse_members(names)
        if self._main not in names:
            raise TableUnreadable(f"The file is a zip archive, not a workbook (.xlsx). {SEND}")
        root = self.whole(self._main)
        found = root.find("{*}workbookPr")
        self.dates_from_1904 = found is not None and found.get("date1904") in ("1", "true")
        parts = dict(self._relations(self._main, "worksheet"))
        self.sheets = [
            Sheet(sheet.get("name", ""), parts[relation])
            for sheet in root.iterfind("{*}sheets/{*}sheet")
            if sheet.get("state", "visible") == "visible"
            if (relation := _relation_of(sheet)) in parts
        ]

    def styles(self) -> Any | None:
        """Return the number formats' document, if there is one."""
        found = self._related(self._main, "styles")
        return self.whole(found[0]) if found else None

    def strings(self) -> str | None:
        """Return the name of the part that holds the texts which cells share."""
        found = self._related(self._main, "sharedStrings")
        return found[0] if found else None

    def whole(self, part: str) -> Any:
        """Return a small part's document."""
        raw = b"".join(self._pieces(part, LARGEST_PART))
        try:
            return etree.fromstring(raw, etree.XMLParser(**SAFE))
        except etree.ParseError as error:
            raise _broken(f"{part}: {fault(error)}") from error

    def elements(self, part: str, tag: str) -> Iterator[Any]:
        """Yield the elements of this name in a part of any size; each is freed after it.

        What follows the rows of a sheet, such as its links, is not read.
        """
        tags = (f"{{*}}{tag}", "{*}sheetData")
        parser = etree.XMLPullParser(("end",), tag=tags, **SAFE)
        since = 0
        try:
            for piece in self._pieces(part, LARGEST_SHEET):
                since += len(piece)
                parser.feed(piece)
                for _, element in parser.read_events():
                    if element.tag.endswith("}sheetData"):
                        return
                    yield element
                    since = 0
                    parent = element.getparent()
                    element.clear()
                    if parent is not None:
                        del parent[: parent.index(element)]
                if since > LONGEST_RECORD:
                    raise TableUnreadable(
                        f"A <{tag}> in the workbook has {excess(since, LONGEST_RECORD, 'bytes')}. "
                        f"{_ADVICE}"
                    )
            parser.close()
        except etree.ParseError as error:
            raise _broken(f"{part}: {fault(error)}") from error

    def _pieces(self, part: str, largest: int) -> Iterator[bytes]:
        size = 0
        try:
            with self._archive.open(part) as file:
                while piece := file.read(_PIECE):
                    size += len(piece)
                    if size > largest:
                        raise TableUnreadable(
                            f"A part of the workbook has {excess(size, largest, 'bytes')} "
                            f"({part}). {_ADVICE}"
                        )
                    yield piece
        except KeyError as error:
            raise _broken(f"it has no part {part}") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise _broken(first_line(error)) from error
        except (NotImplementedError, RuntimeError) as error:  # an unknown method, or a password
            raise _broken(f"{part} is encrypted or packed in an unknown way") from error

    def _related(self, part: str, kind: str) -> list[str]:
        return [target for _, target in self._relations(part, kind)]

    def _relations(self, part: str, kind: str) -> Iterator[tuple[str, str]]:
        folder, _, name = part.rpartition("/")
        relations = f"{folder}/_rels/{name}.rels".lstrip("/")
        if relations not in self._archive.namelist():
            return
        for relation in self.whole(relations).iterfind("{*}Relationship"):
            if relation.get("Type", "").endswith(f"/{kind}"):
                target = posixpath.normpath(posixpath.join("/", folder, relation.get("Target", "")))
                yield relation.get("Id", ""), target.lstrip("/")


@contextmanager
def open_workbook(source: Source) -> Iterator[Workbook]:
    """Open a workbook for the time of the context; its bytes are copied to a nameless file."""
    with tempfile.TemporaryFile() as file:
        for piece in source():
            file.write(piece)
        _check_directory(file)
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            raise _broken(first_line(error)) from error
        with archive:
            yield Workbook(archive)


def _check_directory(file: IO[bytes]) -> None:
    """Refuse a zip whose list of files, which zipfile reads whole, is too long.

    Raises:
        TableUnreadable: it is, or there is none.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - _LONGEST_TAIL - _DIRECTORY_64))
    tail = file.read()
    place = tail.rfind(_END)
    if place < 0 or len(tail) < place + 22:
        raise _broken("it is cut")
    count, length = struct.unpack_from("<HI", tail, place + 10)
    if tail[max(0, place - _DIRECTORY_64) : place].startswith(_END_64):
        count, length = struct.unpack_from("<QQ", tail, place - _DIRECTORY_64 + 32)
    if count > MOST_PARTS or length > LARGEST_PART:
        raise TableUnreadable(f"The workbook has more than {MOST_PARTS:,} parts. {_ADVICE}")
    file.seek(0)


def _relation_of(sheet: Any) -> str:
    ids = [value for key, value in sheet.items() if key.endswith("}id")]
    return ids[0] if ids else ""


def _broken(what: str) -> TableUnreadable:
    return TableUnreadable(f"The workbook (.xlsx) is damaged: {what}. {_ADVICE}")
