"""One bad blob: what is sound is served, and what was lost is made again from the pictures."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from manual_system import FlatEncoder, ManualSystem
from system import archive, picture

from visearch import Catalog
from visearch.contract import DECODE_CHUNK, PLAN_IMPORT
from visearch.errors import BlobDamaged, DependencyUnavailable
from visearch.importing import progress
from visearch.importing.decode import UPLOAD_DAMAGED
from visearch.reindexing.mend import mend
from visearch.searching.indexes import FAILED_S, Indexes
from visearch.store import catalogs, claims, damage, ledger, mark
from visearch.store.schema_marks import marks
from visearch.upkeep.compaction import compact


@pytest.fixture
def manual(tmp_path: Path) -> ManualSystem:
    made = ManualSystem(tmp_path / "home", chunk_items=3)
    for name in ("hurt", "whole"):
        made.accept(made.catalog(name), files(6, 100 * len(name)))
        made.drain()
    return made


def files(n: int, seed: int) -> bytes:
    return archive((f"p{i}.jpg", picture(seed + i, side=64)) for i in range(n))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def make_unreadable(path: Path) -> None:
    """Put a file in its place that opens, and whose first byte is an input/output error."""
    path.unlink()
    path.symlink_to("/proc/self/mem")


WAYS: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "flipped": flip,
    "empty": lambda path: path.write_bytes(b""),
    "unreadable": make_unreadable,
}


def hurt_segment(manual: ManualSystem) -> Path:
    """Return the file of the first segment of the catalog ``hurt``."""
    oldest = min(manual.blobs.list("segments"), key=lambda n: path_of(manual, n).stat().st_mtime_ns)
    return path_of(manual, oldest)


def path_of(manual: ManualSystem, name: str) -> Path:
    return manual.settings.home / "blobs" / name


def sizes(indexes: Indexes) -> dict[str, int]:
    indexes.refresh()
    return {s.catalog.name: s.parts[0].size for s in indexes.all()}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("by", ["a refresh", "a build"])
def test_a_bad_segment_costs_its_pictures_for_a_while(
    manual: ManualSystem, way: str, by: str
) -> None:
    path = hurt_segment(manual)
    before = path.read_bytes()
    WAYS[way](path)
    indexes = Indexes(manual.database, manual.blobs)
    if by == "a build":
        with manual.database.read() as connection:
            hurt = catalogs.get(connection, "hurt")
        assert compact(manual.backend, hurt)
    assert sizes(indexes) == {"hurt": 3, "whole": 6}
    with manual.database.read() as connection:
        (found,) = damage.segments(connection)
    assert (found.segment, found.pictures, found.failed) == (path.name, 3, 0)
    assert manual.blobs.exists(f"damaged/segments/{path.name}") == (way != "missing")
    assert mend(manual.backend, lambda _: manual.encoder, lambda: False) == 3
    assert (
        sizes(indexes) == sizes(Indexes(manual.database, manual.blobs)) == {"hurt": 6, "whole": 6}
    )
    assert path.read_bytes() == before
    with manual.database.read() as connection:
        assert damage.segments(connection) == []


@pytest.mark.parametrize("step", ["open", "get_range"])
def test_an_upload_that_cannot_be_read_fails_its_import(
    manual: ManualSystem, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """While it is listed, or later; the clients read nothing of our disk."""

    def fail(*_: object) -> None:
        raise BlobDamaged("for the operator only")

    monkeypatch.setattr(manual.blobs, step, fail)
    record = manual.accept("whole", files(1, 900))
    while manual.read(record).status in ("received", "running"):
        message = manual.queue.pop(0)
        try:
            manual.run(message)
        except BlobDamaged as error:
            with manual.database.read() as connection:
                claim = claims.held(connection, message[1])
            assert claim is not None
            progress.give_back(manual.backend, claim, code=error.code, detail=error.detail)
    done = manual.read(record)
    with manual.database.read() as connection:
        items = ledger.items(connection, done, limit=9)
    told = {(done.error_code, done.error_detail)} | {(each.code, each.detail) for each in items}
    assert (done.status, told - {(None, None)}) == ("failed", {("blob_damaged", UPLOAD_DAMAGED)})


def test_pixels_that_cannot_be_read_are_decoded_again(manual: ManualSystem) -> None:
    record = manual.accept("whole", files(3, 900))
    for task in (PLAN_IMPORT, DECODE_CHUNK):
        manual.run(manual.take(task)[0])
    (pixels,) = manual.blobs.list("pixels")
    make_unreadable(path_of(manual, pixels))
    manual.drain()
    assert manual.read(record).status == "succeeded"


def test_a_catalog_that_cannot_be_mended_keeps_no_other_waiting(manual: ManualSystem) -> None:
    for path in (manual.settings.home / "blobs" / "segments").iterdir():
        flip(path)
    assert sizes(Indexes(manual.database, manual.blobs)) == {"hurt": 0, "whole": 0}
    first = iter([ZeroDivisionError("for the test")])

    def open_encoder(_: str) -> FlatEncoder:
        for error in first:
            raise error
        return manual.encoder

    assert mend(manual.backend, open_encoder, lambda: False) == 6
    assert sizes(Indexes(manual.database, manual.blobs)) == {"hurt": 0, "whole": 6}


@pytest.fixture
def unmounted(manual: ManualSystem) -> Iterator[Callable[[], None]]:
    """The blob store's disk is not mounted: its place is an empty folder. Call it to mount it."""
    blobs = manual.settings.home / "blobs"
    disk = blobs.rename(blobs.with_name("disk"))
    blobs.mkdir()

    def mount() -> None:
        shutil.rmtree(blobs)
        disk.rename(blobs)

    yield mount
    assert not disk.exists()


def test_nothing_is_taken_for_lost_where_the_store_is_not_mounted(
    manual: ManualSystem, unmounted: Callable[[], None]
) -> None:
    indexes = Indexes(manual.database, manual.blobs)
    indexes.refresh()
    assert indexes.all() == []
    with pytest.raises(DependencyUnavailable, match="cannot be loaded"):
        indexes.get("hurt")
    assert mend(manual.backend, lambda _: FlatEncoder(), lambda: False) == 0
    with pytest.raises(DependencyUnavailable, match="mounted"):
        manual.accept("hurt", files(1, 900))
    with manual.database.read() as connection:
        assert damage.segments(connection) == []
    unmounted()
    time.sleep(FAILED_S)  # before, no search tries again to load it
    assert sizes(indexes) == {"hurt": 6, "whole": 6}


def test_a_store_of_before_marks_is_marked_unless_it_holds_nothing(manual: ManualSystem) -> None:
    with manual.database.write() as connection:
        connection.execute(sa.delete(marks))
    shutil.rmtree(manual.settings.home / "blobs" / "mark")
    blobs = manual.settings.home / "blobs"
    disk = blobs.rename(blobs.with_name("disk"))
    blobs.mkdir()
    with pytest.raises(DependencyUnavailable, match="none of the pictures"):
        mark.require(manual.database, manual.blobs)
    assert list(blobs.iterdir()) == []
    blobs.rmdir()
    disk.rename(blobs)
    for _ in range(2):
        mark.require(manual.database, manual.blobs)
    assert len(list(manual.blobs.list("mark"))) == 1


def test_an_embedded_catalog_mends_itself(tmp_path: Path) -> None:
    """There is no embed worker beside it."""
    with Catalog(tmp_path / "home", "shop") as shop:
        shop.add("a", picture(1))
    (segment,) = (tmp_path / "home" / "blobs" / "segments").iterdir()
    flip(segment)
    with Catalog(tmp_path / "home", "shop") as shop:
        assert shop.search(picture(1), 1) == []  # whoever reads it finds it
    with Catalog(tmp_path / "home", "shop") as shop:
        assert [hit.product_id for hit in shop.search(picture(1), 1)] == ["a"]


def test_a_picture_that_is_lost_too_is_named_and_the_others_are_mended(
    manual: ManualSystem,
) -> None:
    path = hurt_segment(manual)
    with manual.database.read() as connection:
        hurt = catalogs.get(connection, "hurt")
    flip(path)
    assert sizes(Indexes(manual.database, manual.blobs))["hurt"] == 3
    with manual.database.read() as connection:
        first, second, _ = damage.waiting(connection, 9)
    flip(path_of(manual, f"pictures/{first.sha256}"))
    make_unreadable(path_of(manual, f"pictures/{second.sha256}"))
    for _ in range(2):
        mend(manual.backend, lambda _: manual.encoder, lambda: False)
    assert sizes(Indexes(manual.database, manual.blobs))["hurt"] == 4
    with manual.database.read() as connection:
        (found,) = damage.segments(connection)
    assert (found.pictures, found.failed) == (2, 2)
    manual.accept(hurt.name, files(6, 400))  # the same pictures, uploaded again
    manual.drain()
    mend(manual.backend, lambda _: manual.encoder, lambda: False)
    assert sizes(Indexes(manual.database, manual.blobs))["hurt"] == 6
    with manual.database.read() as connection:
        assert damage.segments(connection) == []
