"""The same file again: nothing is decoded or encoded twice, and nothing is new to an index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from manual_system import FlatEncoder, ManualSystem
from system import archive, picture

from visearch.contract import DECODE_CHUNK, EMBED_CHUNK, PLAN_IMPORT
from visearch.records import Import
from visearch.store import catalogs, changes, named, products

N = 6


class Counting(FlatEncoder):
    """Counts the pictures that it was given."""

    encoded = 0

    def embed_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        self.encoded += len(pixels)
        return super().embed_pixels(pixels)


@pytest.fixture
def manual(tmp_path: Path) -> Iterator[ManualSystem]:
    made = ManualSystem(tmp_path, chunk_items=4)
    made.encoder = Counting()
    made.catalog("c")
    yield made
    made.database.close()


def encoded(manual: ManualSystem) -> int:
    assert isinstance(manual.encoder, Counting)
    return manual.encoder.encoded


def files(*numbers: int, table: str = "") -> bytes:
    manifest = [("manifest.csv", table.encode())] if table else []
    return archive([*manifest, *((f"p{i}.jpg", picture(i, side=64)) for i in numbers)])


def upload(manual: ManualSystem, data: bytes) -> Import:
    record = manual.accept("c", data)
    manual.drain()
    done = manual.read(record)
    assert done.status == "succeeded"
    counts = done.counts
    assert counts.items == counts.fetched == counts.decoded == counts.embedded == counts.searchable
    return done


def index_changes(manual: ManualSystem, revision: int) -> int:
    with manual.database.read() as connection:
        return changes.changes_between(connection, catalogs.get(connection, "c"), revision)


def revision(manual: ManualSystem) -> int:
    with manual.database.read() as connection:
        return catalogs.get(connection, "c").revision


def test_an_unchanged_file_is_not_encoded_again(manual: ManualSystem) -> None:
    upload(manual, files(*range(N)))
    assert encoded(manual) == N
    before, first = revision(manual), manual.product("c", "p3")
    again = upload(manual, files(*range(N)))
    assert again.counts.searchable == N
    assert encoded(manual) == N
    assert index_changes(manual, before) == 0
    second = manual.product("c", "p3")
    assert first is not None and second is not None
    assert second.images == first.images and second.updated_at > first.updated_at


def test_only_what_changed_is_encoded(manual: ManualSystem) -> None:
    upload(manual, files(*range(N)))
    before = revision(manual)
    table = "id,image,title\n" + "".join(f"p{i},p{i + (i == 2)}.jpg,T{i}\n" for i in range(N - 1))
    table += f"p{N - 1},new.jpg,New\n"
    data = archive(
        [
            ("manifest.csv", table.encode()),
            ("new.jpg", picture(40, side=64)),
            *((f"p{i}.jpg", picture(i, side=64)) for i in range(N)),
        ]
    )
    upload(manual, data)
    assert encoded(manual) == N + 1
    # p2 has another product's picture now, and the last product a new one.
    assert index_changes(manual, before) == 4
    for i in range(N):
        found = manual.product("c", f"p{i}")
        assert found is not None and len(found.images) == 1
        assert found.title == ("New" if i == N - 1 else f"T{i}")
    two, three = manual.product("c", "p2"), manual.product("c", "p3")
    assert two is not None and three is not None
    assert two.images[0].sha256 == three.images[0].sha256 and two.images != three.images


def test_pictures_are_reordered_and_taken_away(manual: ManualSystem) -> None:
    upload(manual, files(0, 1, 2, table="id,image\nx,p0.jpg|p1.jpg|p2.jpg\n"))
    first = manual.product("c", "x")
    upload(manual, files(0, 1, 2, table="id,image\nx,p2.jpg|p0.jpg\n"))
    second = manual.product("c", "x")
    assert first is not None and second is not None
    assert [image.id for image in second.images] == [first.images[2].id, first.images[0].id]
    assert encoded(manual) == 3
    with manual.database.read() as connection:
        catalog = catalogs.get(connection, "c")
        assert len(changes.filtered(connection, catalog, {})) == 2


def test_a_filter_finds_the_pictures_that_stay(manual: ManualSystem) -> None:
    table = "id,image,colour\nx,{images},red\n"
    upload(manual, files(0, 1, table=table.format(images="p0.jpg|p1.jpg")))
    upload(manual, files(0, 2, table=table.format(images="p0.jpg|p2.jpg")))
    with manual.database.read() as connection:
        catalog = catalogs.get(connection, "c")
        allowed = changes.filtered(connection, catalog, {"colour": "red"})
        stored = changes.added_since(connection, catalog, 0)
    assert allowed.tolist() == stored.keys.tolist() and len(allowed) == 2


@pytest.mark.parametrize("folder", ["pictures", "thumbnails", "segments"])
def test_what_was_lost_is_made_again(manual: ManualSystem, folder: str) -> None:
    upload(manual, files(*range(N)))
    for name in list(manual.blobs.list(folder)):
        manual.blobs.delete(name)
    upload(manual, files(*range(N)))
    assert encoded(manual) == 2 * N
    assert list(manual.blobs.list(folder))


def test_a_damaged_picture_is_stored_again(manual: ManualSystem) -> None:
    """It is as long as before, and only its bytes tell."""
    upload(manual, files(0))
    (name,) = manual.blobs.list("pictures")
    manual.blobs.put(name, bytes(manual.blobs.size(name)))
    upload(manual, files(0))
    assert manual.blobs.get(name) == picture(0, side=64)


def test_a_picture_lost_on_its_way_is_decoded_after_all(manual: ManualSystem) -> None:
    upload(manual, files(0))
    record = manual.accept("c", files(0))
    while not any(task == EMBED_CHUNK for task, _ in manual.queue):
        manual.run(manual.queue.pop(0))
    # Its embedding turns out to be damaged, and is taken out of use.
    with manual.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM embeddings")
    manual.drain()
    done = manual.read(record)
    assert (done.status, encoded(manual)) == ("succeeded", 2)
    counts = done.counts
    assert counts.fetched == counts.decoded == counts.embedded == counts.searchable == 1


def test_a_known_picture_makes_no_other_product_s_its_own(manual: ManualSystem) -> None:
    upload(manual, files(0))
    with manual.database.write() as connection:
        products.delete(connection, catalogs.get(connection, "c"), "p0")
    manual.put("c", "other", picture(0, side=64))
    manual.drain()
    assert encoded(manual) == 1
    assert manual.product("c", "p0") is None
    found = manual.product("c", "other")
    assert found is not None and len(found.images) == 1


def test_a_backup_has_the_pictures_that_an_import_under_way_takes_up_again(
    manual: ManualSystem,
) -> None:
    """They are those of a product that was removed: nothing else names them by now."""
    upload(manual, files(0, 1))
    manual.accept("c", files(1), mode="replace", guard=1.0)
    manual.drain()
    manual.accept("c", files(0))
    for task in (PLAN_IMPORT, DECODE_CHUNK):
        manual.run(manual.take(task)[0])
    with manual.database.read() as connection:
        blobs = set(named.digests(connection))
    digest = hashlib.sha256(picture(0, side=64)).hexdigest()
    assert f"pictures/{digest}" in blobs
    assert len([name for name in blobs if name.startswith("thumbnails/")]) == 2
