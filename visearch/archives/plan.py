"""Lists the items of an uploaded file; an item is one picture of one product."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import BinaryIO

from visearch.archives import codepages
from visearch.archives.digests import digest_of
from visearch.archives.junk import is_no_picture, junk_kind
from visearch.archives.manifest import NOTHING, find_manifest, look_at_manifest
from visearch.archives.member import PROBLEMS, Archive, Member
from visearch.archives.names import Names
from visearch.archives.rows import NO_ID_ADVICE, by_url, is_url, look_at_table, refused, shown
from visearch.archives.sniff import Media
from visearch.archives.tars import TarArchive
from visearch.archives.zips import ZipArchive
from visearch.errors import ArchiveTooLarge, InvalidRequest
from visearch.records import Attributes, PlannedItem
from visearch.rules import id_problem
from visearch.tables.mapping import Known
from visearch.tables.products import Look, Reading, products, read_through
from visearch.tables.row import Row
from visearch.tables.survey import digest_of as tables_digest
from visearch.tables.text import Decoding


class Contents:
    """What a file holds: a table that lists products, or else pictures that are products.

    The table is in an archive, beside pictures, or is the file itself. The same file always gives
    the same items, in the order of the table or, without one, of the archive. An item that cannot
    be fetched has a ``code`` and a ``detail``.

    Raises:
        ArchiveCorrupt: the file or its table is broken.
        ArchiveTooLarge: there are more than ``max_items``, or the table is too large.
        InvalidRequest: ``known`` does not fit the table.
        MappingIncomplete: no column is known to hold the ids, or the pictures.

    ``reading`` and every iteration may raise them too; discard what was yielded before.
    """

    def __init__(
        self,
        file: BinaryIO,
        media: Media,
        *,
        max_items: int,
        known: Known = NOTHING,
        name: str = "",
    ) -> None:
        """Look at the archive's names, and at the beginning of the table.

        Args:
            file: seekable and readable; zips are read in large pieces.
            media: the kind of file, as ``sniff`` returned it; a zip may turn out to be a workbook.
            max_items: the most items, and the most files, that the file may have.
            known: what is known of the table's columns.
            name: what the file was called, which only matters where a table's content does not tell
                its kind.
        """
        self._max_items = max_items
        self._archive: Archive | None = None
        self._manifest: Member | None = None
        self._positions: Counter[str] = Counter()
        self._has_raw_names = False
        self.look: Look | None = None
        if media != "table":
            archive: Archive = ZipArchive(file) if media == "zip" else TarArchive(file)
            # The first pass finds the manifest and counts the files before any item is yielded.
            found = find_manifest(archive, self._noted(_files(archive, max_items)), known)
            if not found.is_document or media != "zip":
                self._archive, self._manifest = archive, found.manifest
        if self._archive is None:
            self.look = look_at_table(file, name, known)
        elif self._manifest is not None:
            self.look = look_at_manifest(self._archive, self._manifest, known)
        elif known.choices:
            detail = "The file has no table, and so no columns. Send it without a mapping."
            raise InvalidRequest(detail, (("mapping", detail),))

    @cached_property
    def reading(self) -> Reading | None:
        """The table, looked through; None if there is none."""
        return None if self.look is None else read_through(self.look)

    def items(self, *, digests: bool = False) -> Iterator[PlannedItem]:
        """Yield the items; with ``digests``, those that can have one have their product's."""
        count = 0
        for row, items in self.listed():
            digest = self._digest(row, items) if digests else ""
            for item in items:
                count += 1
                self.check(count)
                yield replace(item, digest=digest) if digest else item

    def _digest(self, row: Row, items: tuple[PlannedItem, ...]) -> str:
        """Return a digest of a product; "" if it is in several rows, or not all is known of it."""
        if self.reading is None or tables_digest(row.id) in self.reading.survey.scattered:
            return ""
        return digest_of(row, items)

    def check(self, count: int) -> None:
        """Raise ArchiveTooLarge if so many items are more than a file may have."""
        if count > self._max_items:
            raise _too_many(self._max_items)

    def listed(self) -> Iterator[tuple[Row, tuple[PlannedItem, ...]]]:
        """Yield each row of the table with its items, or each picture as if a row named it."""
        if self.reading is None:
            archive = self._pictured
            for number, member in enumerate(self._pictures()):
                if not is_no_picture(member.path):
                    row = _row_of(number, member)
                    yield row, (_item(archive, member, row.id, 0, row),)
            return
        for row in products(self.reading):
            yield row, self.items_of(row)

    def items_of(self, row: Row) -> tuple[PlannedItem, ...]:
        """Return the items of a row of the table; rows come in the table's order, each once."""
        if row.problem is not None:
            table = "" if self._manifest is None else self._manifest.path
            return (refused(table, row, self.where(row.line), 0, row.item_code, row.problem),)
        first = self._positions[row.id]
        self._positions[row.id] += len(row.images)
        return tuple(
            self._named(path, row, row.line_of(place), first + place)
            for place, path in enumerate(row.images)
        )

    def where(self, line: int) -> str:
        """Name a line of the table as the items' details do."""
        return f"Line {line}" if self._manifest is None else f"Manifest line {line}"

    def left_out(self, is_used: Callable[[str], bool]) -> Iterator[str]:
        """Yield the names of files that are no item: those that no row names, then the junk.

        ``is_used`` tells so of the ``path`` of an item.
        """
        if self._archive is None:
            return
        if self.reading is None:
            yield from (shown(each.path) for each in self._pictures() if is_no_picture(each.path))
        else:
            others = (path for path in self._names.paths() if path != self._names.own)
            yield from (name for name in map(shown, others) if not is_used(name))
        yield from (shown(m.path) for m in self._archive.members() if junk_kind(m.path))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the merchant should know about the names of pictures that no table lists."""
        if self._archive is None or self.reading is not None or self._page is None:
            return ()
        return (
            "The archive does not say how the letters in names of files are encoded; they are read "
            f"as {Decoding(self._page).label}. If they look wrong, make the archive with a program "
            "that writes names in UTF-8.",
        )

    def _pictures(self) -> Iterator[Member]:
        """Yield the files of an archive without a table."""
        page = self._page or codepages.DEFAULT
        for member in _files(self._pictured, self._max_items):
            if member.raw is None or page == codepages.DEFAULT:
                yield member  # it has been read so
            else:
                yield member._replace(path=codepages.decoded(member.raw, page))

    @cached_property
    def _page(self) -> str | None:
        """The code page of names whose encoding is unknown, where no table spells them."""
        if not self._has_raw_names:
            return None
        files = _files(self._pictured, self._max_items)
        return codepages.guessed(each.raw for each in files if each.raw is not None)

    def _noted(self, members: Iterable[Member]) -> Iterator[Member]:
        for member in members:
            self._has_raw_names |= member.raw is not None
            yield member

    @property
    def _pictured(self) -> Archive:
        assert self._archive is not None, "a table by itself holds no pictures"
        return self._archive

    @cached_property
    def _names(self) -> Names:
        assert self.reading is not None
        wanted = (path for row in products(self.reading) for path in row.images)
        return Names(_files(self._pictured, self._max_items), self._manifest, wanted)

    def _named(self, path: str, row: Row, line: int, position: int) -> PlannedItem:
        if self._archive is None or is_url(path):
            return by_url(path, row, self.where(line), position)
        # '..' can leave the manifest's folder but not the archive.
        member, near = self._names.resolve(path)
        if member is not None:
            return _item(self._archive, member, row.id, position, row)
        if near is None:
            missing = "the archive has no such file"
            return refused(path, row, self.where(line), position, "picture_missing", missing)
        there = f"there is {shown(near)!r}, write it so if that is meant"
        why = f"the archive has no such file; {there}"
        return refused(path, row, self.where(line), position, "name_not_found", why)


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
    return ArchiveTooLarge(f"The file has more than {max_items:,} items. Split it.")


def _row_of(number: int, member: Member) -> Row:
    """Return the row that a picture stands for where no table names it."""
    folder, _, name = member.path.rpartition("/")
    stem, dot, _ = name.rpartition(".")
    key = member.path[: len(stem) - len(name)] if dot else member.path
    attributes: Attributes = {"folder": folder.rpartition("/")[2]} if folder else {}
    return Row(number, key, (member.path,), None, None, attributes)


def _item(archive: Archive, member: Member, key: str, position: int, row: Row) -> PlannedItem:
    code = "invalid_product_id" if id_problem(key) else member.code
    if code is not None:
        detail = PROBLEMS.get(code, NO_ID_ADVICE)
        return PlannedItem(
            path=shown(member.path),
            product_id=shown(key),
            position=position,
            size=member.packed,
            code=code,
            detail=detail,
        )
    return PlannedItem(
        path=shown(member.path),
        product_id=key,
        position=position,
        title=row.title,
        url=row.url,
        description=row.description,
        attributes=dict(row.attributes),
        locator=archive.locator(member),
        size=member.packed,
        row=row.line,
    )
