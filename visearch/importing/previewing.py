"""Looking through an upload: what its import would do, without a change of the catalog."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel

from visearch import archives
from visearch.backend import Backend
from visearch.errors import BlobDamaged, MappingIncomplete, VisearchError
from visearch.importing import guard
from visearch.importing.accept import Mode
from visearch.importing.decode import UPLOAD_DAMAGED
from visearch.importing.planning import archive_media
from visearch.records import Catalog, PlannedItem
from visearch.searches import Failure
from visearch.store import catalogs, descriptions, fetched, images, mappings, products
from visearch.store.descriptions import Described
from visearch.store.fetched import Came
from visearch.tables.mapping import Choice, Known
from visearch.tables.preview import (
    Change,
    Fate,
    Preview,
    PreviewGuard,
    PreviewProblem,
    preview,
    preview_incomplete,
    preview_pictures,
    sentence,
)
from visearch.tables.row import Row

MOST_IGNORED = 1000
"""Names of files that a preview lists."""

COMPARED_BYTES = 512 << 20
"""Pictures of products that are described as before are compared up to so many bytes in all."""

_NO_PICTURES = "The file holds no pictures. Add some and upload it again."


class PreviewOrder(BaseModel):
    """What is to be looked through, and as what it would be imported."""

    catalog: str
    upload: str
    media: str
    source: str
    mode: Mode
    guard: float | None
    choices: dict[str, Choice]


class PreviewAnswer(BaseModel):
    """What came of it: the preview, or why there is none."""

    preview: Preview | None = None
    failure: Failure | None = None


def preview_upload(backend: Backend, order: PreviewOrder) -> Preview:
    """Look through an upload to its end.

    Raises:
        ArchiveError: it cannot be read.
        InvalidRequest: the choices do not fit its table.
        NotFound: its catalog was deleted, or it is no longer kept.
    """
    with backend.database.read() as connection:
        catalog = catalogs.get(connection, order.catalog)
        saved = mappings.of_catalog(connection, catalog.pk)
    known = Known(choices=order.choices, saved=saved)
    most = backend.settings.max_import_items
    try:
        with backend.blobs.open(order.source) as file:
            media = archive_media(order.media)
            contents = archives.Contents(
                file, media, max_items=most, known=known, name=order.source
            )
            found = _look_through(backend, catalog, order, contents)
    except BlobDamaged as error:
        raise BlobDamaged(UPLOAD_DAMAGED) from error  # without our paths: clients read it
    return found.model_copy(update={"upload": order.upload})


def _look_through(
    backend: Backend, catalog: Catalog, order: PreviewOrder, contents: archives.Contents
) -> Preview:
    judge = _Judge(backend, catalog, order, contents)
    try:
        reading = contents.reading
    except MappingIncomplete as error:
        assert contents.look is not None
        found = preview_incomplete(contents.look)
        return found.model_copy(update={"problem": _problem(error)})
    if reading is not None:
        found = preview(reading, judge)
    else:
        found = preview_pictures(judge.pictures(), judge)
        found.notes.extend(contents.notes)
    ignored = islice(contents.left_out(judge.is_used()), MOST_IGNORED)
    found.ignored.extend(ignored)
    if judge.items == 0:
        found.problem = PreviewProblem(code="archive_corrupt", detail=_NO_PICTURES)
    if judge.skipped:
        found.notes.append(
            "The pictures of the file were not all compared with those of the catalog; products "
            "whose pictures were not count as changed."
        )
    found.counts.remove = 0
    if order.mode == "replace":
        _count_removed(backend, catalog, order, judge, found)
    return found


def _count_removed(
    backend: Backend, catalog: Catalog, order: PreviewOrder, judge: _Judge, found: Preview
) -> None:
    """Say how many products a replace would remove, and whether it would be let."""
    live, remove = 0, 0
    named = judge.named()
    with backend.database.read() as connection:
        for product_id in products.live_ids(connection, catalog.pk):
            live += 1
            remove += not named(product_id)
    if judge.nameless or not judge.usable:
        remove = 0  # see ``guard.to_remove``
    settings = backend.settings
    stops = guard.stops(order.guard, settings, remove, live)
    found.counts.remove = remove
    found.guard = PreviewGuard(
        guard=guard.share_of(order.guard, settings), products=live, remove=remove, stops=stops
    )
    if stops:
        found.problem = _problem(guard.refusal(order.guard, settings, remove, live))
    elif judge.nameless and found.problem is None:
        detail = (
            f"No product would be removed: {judge.nameless:,} rows have no readable id and may "
            "mean any product. Give every row an id."
        )
        found.problem = PreviewProblem(code="replace_incomplete", detail=detail)


def _problem(error: VisearchError) -> PreviewProblem:
    return PreviewProblem(code=error.code, detail=error.detail)


class _Stored(NamedTuple):
    """What the catalog has of some rows: products, digests of their pictures, what URLs gave."""

    live: dict[str, Described]
    digests: dict[int, list[str]]
    came: dict[str, Came]


class _Judge:
    """Says of rows what would become of them, and remembers what all of them name."""

    def __init__(
        self,
        backend: Backend,
        catalog: Catalog,
        order: PreviewOrder,
        contents: archives.Contents,
    ) -> None:
        self.items = self.nameless = 0
        self.usable = self.skipped = False
        self._backend, self._catalog, self._contents = backend, catalog, contents
        self._media = archive_media(order.media)
        self._read = partial(backend.blobs.get_range, order.source)
        self._budget = COMPARED_BYTES
        self._ids, self._paths = array("q"), array("q")
        self._coming: list[tuple[PlannedItem, ...]] = []  # of rows that are not from a table

    def pictures(self) -> Iterator[Row]:
        """Yield the rows of an archive without a table."""
        for row, items in self._contents.listed():
            self._coming.append(items)
            yield row

    def __call__(self, rows: Sequence[Row]) -> list[Fate]:
        """Return the fate of each row."""
        listed = self._coming or [self._contents.items_of(row) for row in rows]
        self._coming = []
        for item in (item for items in listed for item in items):
            self.items += 1
            self.nameless += not item.product_id
            self._contents.check(self.items)
            self._ids.append(hash(item.product_id))
            self._paths.append(hash(item.path))
        good = [[item for item in items if not item.code] for items in listed]
        ids = {items[0].product_id for items in good if items}
        self.usable = self.usable or bool(ids)
        with self._backend.database.read() as connection:
            known = descriptions.known(connection, self._catalog.pk, ids)
            live = {name: each for name, each in known.items() if not each.deleted}
            digests = images.digests_of(connection, [each.pk for each in live.values()])
            old = [item for items in good for item in items if item.product_id in live]
            urls = {url for item in old if (url := _url_of(item))}
            came = fetched.known(connection, self._catalog.pk, urls)
        stored = _Stored(live, digests, came)
        fates = []
        for row, all_items, items in zip(rows, listed, good, strict=True):
            change = self._change(items, stored) if items else None
            missing = {
                row.images[place]: (item.code, self._without_line(item.detail or "", row, place))
                for place, item in enumerate(all_items)
                if item.code and row.problem is None
            }
            unseen = {row.images[place] for place, item in enumerate(all_items) if _url_of(item)}
            fates.append(Fate(change, missing, unseen))
        return fates

    def _change(self, items: list[PlannedItem], stored: _Stored) -> Change:
        old, new = stored.live.get(items[0].product_id), items[0]
        if old is None:
            return "add"
        same = (
            new.title == old.title
            and new.url == old.url
            and new.description == old.description
            and new.attributes == old.attributes
        )
        return "unchanged" if same and self._same(items, old.pk, stored) else "change"

    def _same(self, items: list[PlannedItem], product_pk: int, stored: _Stored) -> bool:
        """Tell whether these are the pictures that a product has, as far as that may be read.

        Nothing is fetched: of a picture by URL, what it gave last decides.
        """
        digests = stored.digests.get(product_pk, [])
        if len(items) != len(digests):
            return False
        here: list[tuple[PlannedItem, str]] = []
        for item, digest in zip(items, digests, strict=True):
            if (url := _url_of(item)) is None:
                here.append((item, digest))
            elif url not in stored.came or stored.came[url].sha256 != digest:
                return False
        return not here or self._holds(here)

    def _holds(self, pictures: list[tuple[PlannedItem, str]]) -> bool:
        """Tell whether pictures in the archive have these digests."""
        size = sum(item.size for item, _ in pictures)
        if size > self._budget:
            self.skipped = True
            return False
        self._budget -= size
        limit = self._backend.settings.max_image_bytes
        locators = [item.locator for item, _ in pictures]
        found = archives.fetch(self._read, self._media, locators, max_bytes=limit)
        return all(
            isinstance(data, bytes) and hashlib.sha256(data).hexdigest() == digest
            for data, (_, digest) in zip(found, pictures, strict=True)
        )

    def _without_line(self, detail: str, row: Row, place: int) -> str:
        """Return why an item cannot be used, without its line, which stands beside it."""
        clause = detail.removeprefix(f"{self._contents.where(row.line_of(place))}: ")
        return detail if clause == detail else sentence(clause.removesuffix("."))

    def named(self) -> _Set:
        """Tell which ids the file names, however broken their rows are."""
        return _Set.of(self._ids)

    def is_used(self) -> _Set:
        """Tell which paths are those of items."""
        return _Set.of(self._paths)


@dataclass(frozen=True)
class _Set:
    """Texts of which only the hashes are kept: a million take 8 MB."""

    hashes: array[int]

    @classmethod
    def of(cls, hashes: array[int]) -> _Set:
        return cls(array("q", np.sort(np.array(hashes, np.int64)).tobytes()))

    def __call__(self, text: str) -> bool:
        place = bisect_left(self.hashes, hash(text))
        return place < len(self.hashes) and self.hashes[place] == hash(text)


def _url_of(item: PlannedItem) -> str | None:
    return str(item.locator["url"]) if "url" in item.locator else None
