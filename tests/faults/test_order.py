"""The last writer wins by the order of acceptance, whoever is through first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from bench_pipeline import Bench, FlatEncoder
from system import archive, picture

from visearch.store import catalogs, products


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path / "home", chunk_items=2)
    made.catalog("c")
    return made


def small(i: int) -> bytes:
    return picture(i, side=64)


def test_a_replace_spares_what_was_accepted_after_it(bench: Bench) -> None:
    bench.put("c", "x", small(1), title="old")
    bench.drain()
    replace = bench.accept("c", archive([("a.jpg", small(2))]), "replace")
    first, bench.queue = bench.queue, []
    later = bench.put("c", "x", small(3), title="new")
    late, bench.queue = bench.queue, first
    bench.drain()
    assert bench.read(replace).status == "succeeded"
    assert bench.product("c", "x") is None
    bench.queue = late
    bench.drain()
    assert bench.read(later).status == "succeeded"
    found = bench.product("c", "x")
    assert found is not None and found.title == "new" and len(found.images) == 1


@pytest.mark.parametrize("known", [False, True])
def test_a_replace_holds_against_what_was_accepted_before_it(bench: Bench, known: bool) -> None:
    if known:
        bench.put("c", "b", small(1))
        bench.drain()
    earlier = bench.put("c", "b", small(2))
    late, bench.queue = bench.queue, []
    replace = bench.accept("c", archive([("a.jpg", small(3))]), "replace")
    bench.drain()
    bench.queue = late
    bench.drain()
    assert bench.read(replace).status == "succeeded"
    assert bench.codes(earlier) == ["superseded"]
    assert bench.product("c", "b") is None
    assert bench.product("c", "a") is not None


def test_a_patch_keeps_the_other_fields_of_a_write_on_its_way(bench: Bench) -> None:
    bench.put("c", "x", small(1), title="old", url="http://old", attributes={"price": 1})
    bench.drain()
    bench.put("c", "x", small(1), title="put", url="http://put", attributes={"price": 2})
    with bench.database.write() as connection:
        catalog = catalogs.get(connection, "c")
        products.describe(connection, catalog, "x", {"title": "patched"})
    bench.drain()
    found = bench.product("c", "x")
    assert found is not None
    assert (found.title, found.url, found.attributes) == ("patched", "http://put", {"price": 2})


def test_a_row_with_more_pictures_takes_nothing_away(bench: Bench) -> None:
    rows = (
        "id,image,title,colour,price\na,1.jpg,Mug,red,12\na,2.jpg,,,\nb,3.jpg,B,,\na,4.jpg,,blue,\n"
    )
    files = [(f"{i}.jpg", small(i)) for i in range(1, 5)]
    bench.accept("c", archive([("manifest.csv", rows.encode()), *files]))
    bench.drain()
    found = bench.product("c", "a")
    assert found is not None
    assert (found.title, found.attributes) == ("Mug", {"colour": "red", "price": 12})
    assert len(found.images) == 3


class Speechless(FlatEncoder):
    """Has nothing to say about the second picture of a batch."""

    def embed_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        vectors = super().embed_pixels(pixels)
        vectors[1] = 0
        return vectors


def test_a_picture_without_an_embedding_fails_alone(bench: Bench) -> None:
    bench.encoder = Speechless()
    record = bench.accept("c", archive([(f"{i}.jpg", small(i)) for i in range(2)]))
    bench.drain()
    done = bench.read(record)
    assert (done.status, done.counts.searchable, done.counts.failed) == ("partial", 1, 1)
    assert bench.codes(record) == [None, "no_embedding"]
    assert bench.product("c", "1") is None
