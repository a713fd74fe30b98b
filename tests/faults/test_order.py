"""The last writer wins by the order of acceptance, whoever is through first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from manual_system import FlatEncoder, ManualSystem
from system import archive, picture

from visearch.store import catalogs, products


@pytest.fixture
def manual(tmp_path: Path) -> ManualSystem:
    made = ManualSystem(tmp_path / "home", chunk_items=2)
    made.catalog("c")
    return made


def small(i: int) -> bytes:
    return picture(i, side=64)


def test_a_replace_spares_what_was_accepted_after_it(manual: ManualSystem) -> None:
    manual.put("c", "x", small(1), title="old")
    manual.drain()
    replace = manual.accept("c", archive([("a.jpg", small(2))]), "replace")
    first, manual.queue = manual.queue, []
    later = manual.put("c", "x", small(3), title="new")
    late, manual.queue = manual.queue, first
    manual.drain()
    assert manual.read(replace).status == "succeeded"
    assert manual.product("c", "x") is None
    manual.queue = late
    manual.drain()
    assert manual.read(later).status == "succeeded"
    found = manual.product("c", "x")
    assert found is not None and found.title == "new" and len(found.images) == 1


@pytest.mark.parametrize("known", [False, True])
def test_a_replace_holds_against_what_was_accepted_before_it(
    manual: ManualSystem, known: bool
) -> None:
    if known:
        manual.put("c", "b", small(1))
        manual.drain()
    earlier = manual.put("c", "b", small(2))
    late, manual.queue = manual.queue, []
    replace = manual.accept("c", archive([("a.jpg", small(3))]), "replace")
    manual.drain()
    manual.queue = late
    manual.drain()
    assert manual.read(replace).status == "succeeded"
    assert manual.codes(earlier) == ["superseded"]
    assert manual.product("c", "b") is None
    assert manual.product("c", "a") is not None


def test_a_replace_holds_against_an_earlier_write_of_a_deleted_product(
    manual: ManualSystem,
) -> None:
    manual.put("c", "b", small(1))
    manual.drain()
    with manual.database.write() as connection:
        products.delete(connection, catalogs.get(connection, "c"), "b")
    earlier = manual.put("c", "b", small(2))
    late, manual.queue = manual.queue, []
    manual.accept("c", archive([("a.jpg", small(3))]), "replace")
    manual.drain()
    manual.queue = late
    manual.drain()
    assert manual.codes(earlier) == ["superseded"]
    assert manual.product("c", "b") is None


@pytest.mark.parametrize(
    ("row", "stays"),
    [
        ('{"id": "b", "image": "1.jpg", "size": "a\\u0000b"}', ["a", "b"]),  # a bad attribute
        ('{"id": "b", "image": 7}', ["a", "b"]),
        ('{"id": "b", "image": "gone.jpg"}', ["a", "b"]),
        ('{"id": "b"}', ["a", "b"]),
        ('{"id": 12.5, "image": "gone.jpg"}', ["12.5", "a"]),
        ('{"image": "1.jpg"}', ["12.5", "a", "b"]),  # nobody can tell which one
    ],
)
def test_a_replace_removes_nothing_that_its_file_names_in_a_bad_row(
    manual: ManualSystem, row: str, stays: list[str]
) -> None:
    for i, product in enumerate(("12.5", "b")):
        manual.put("c", product, small(i))
    manual.drain()
    rows = '{"id": "a", "image": "1.jpg"}\n' + row
    files = archive([("manifest.ndjson", rows.encode()), ("1.jpg", small(5))])
    record = manual.accept("c", files, "replace")
    manual.drain()
    assert [p for p in ("12.5", "a", "b") if manual.product("c", p)] == stays
    done = manual.read(record)
    assert (done.status, done.counts.failed) == ("partial", 1)
    assert done.error_code == ("replace_incomplete" if len(stays) == 3 else None)


def test_a_patch_keeps_the_other_fields_of_a_write_on_its_way(manual: ManualSystem) -> None:
    manual.put("c", "x", small(1), title="old", url="http://old", attributes={"price": 1})
    manual.drain()
    manual.put("c", "x", small(1), title="put", url="http://put", attributes={"price": 2})
    with manual.database.write() as connection:
        catalog = catalogs.get(connection, "c")
        products.describe(connection, catalog, "x", {"title": "patched"})
    manual.drain()
    found = manual.product("c", "x")
    assert found is not None
    assert (found.title, found.url, found.attributes) == ("patched", "http://put", {"price": 2})


def test_a_row_with_more_pictures_takes_nothing_away(manual: ManualSystem) -> None:
    rows = (
        "id,image,title,colour,price\na,1.jpg,Mug,red,12\na,2.jpg,,,\nb,3.jpg,B,,\na,4.jpg,,blue,\n"
    )
    files = [(f"{i}.jpg", small(i)) for i in range(1, 5)]
    manual.accept("c", archive([("manifest.csv", rows.encode()), *files]))
    manual.drain()
    found = manual.product("c", "a")
    assert found is not None
    assert (found.title, found.attributes) == ("Mug", {"colour": "red", "price": 12})
    assert len(found.images) == 3


class Speechless(FlatEncoder):
    """Has nothing to say about the second picture of a batch."""

    def embed_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        vectors = super().embed_pixels(pixels)
        vectors[1] = 0
        return vectors


def test_a_picture_without_an_embedding_fails_alone(manual: ManualSystem) -> None:
    manual.encoder = Speechless()
    record = manual.accept("c", archive([(f"{i}.jpg", small(i)) for i in range(2)]))
    manual.drain()
    done = manual.read(record)
    assert (done.status, done.counts.searchable, done.counts.failed) == ("partial", 1, 1)
    assert manual.codes(record) == [None, "no_embedding"]
    assert manual.product("c", "1") is None
