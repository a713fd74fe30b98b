"""A reindex over pictures that are lost, damaged or refused by now: each fails alone."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from manual_system import FlatEncoder, ManualSystem
from PIL import Image
from system import archive, picture

from visearch.backend import LoneBackend
from visearch.reindexing.compare import compare
from visearch.reindexing.reindex import take_turn
from visearch.store import catalogs, embeddings, reindexes
from visearch.store.embeddings import Failed
from visearch.store.reindexes import Reindex

N = 12


class Other(FlatEncoder):
    """The encoder that the catalog is on its way to; it finds nothing in a black picture."""

    def __init__(self) -> None:
        super().__init__()
        self.fingerprint = "other"

    def embed_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        vectors = super().embed_pixels(pixels)
        vectors[(pixels == 0).all(axis=(1, 2, 3))] = 0.0
        return vectors


@pytest.fixture
def manual(tmp_path: Path) -> ManualSystem:
    manual = ManualSystem(tmp_path / "home")
    files = [(f"p{i}.jpg", picture(i, side=64)) for i in range(N)]
    manual.accept(manual.catalog("c"), archive(files))
    manual.drain()
    return manual


def begin(
    manual: ManualSystem, activate: reindexes.Activate = "auto", catalog: str = "c"
) -> Reindex:
    with manual.database.write() as connection:
        record = catalogs.get(connection, catalog)
        to = {"encoder": "bundled", "fingerprint": "other", "dimension": record.dimension}
        return reindexes.create(connection, record, activate=activate, **to)


def turns(manual: ManualSystem, n: int = 4) -> None:
    for _ in range(n):
        take_turn(manual.backend, lambda _: Other(), lambda: False, "w")


def state(manual: ManualSystem, reindex: Reindex, catalog: str = "c") -> Reindex:
    with manual.database.read() as connection:
        return reindexes.get(connection, catalogs.get(connection, catalog), reindex.id)


def failures(manual: ManualSystem, reindex: Reindex) -> list[Failed]:
    with manual.database.read() as connection:
        pk, fingerprint = reindex.catalog_pk, reindex.fingerprint
        return embeddings.failures(connection, pk, fingerprint, limit=100)


def original(manual: ManualSystem, seed: int) -> Path:
    """The file in which a product's picture is stored."""
    digest = hashlib.sha256(picture(seed, side=64)).hexdigest()
    return manual.settings.home / "blobs" / "pictures" / digest


def reasons(manual: ManualSystem, reindex: Reindex) -> dict[str, str]:
    return {each.product_id: each.code for each in failures(manual, reindex)}


def test_pictures_that_cannot_be_read_are_noted_and_the_others_go_on(manual: ManualSystem) -> None:
    manual.put("c", "large", picture(1, side=200, form="PNG"))
    manual.put("c", "black", png(Image.new("RGB", (64, 64))))
    manual.drain()
    original(manual, 3).unlink()
    original(manual, 5).write_bytes(picture(6, side=64))  # a picture, but not the one that was sent
    lower = replace(manual.settings, max_image_side=100)
    manual.database.close()
    manual.backend = LoneBackend(lower, manual.backend.send)
    reindex = begin(manual)
    turns(manual)
    assert reasons(manual, reindex) == {
        "p3": "picture_lost",
        "p5": "picture_damaged",
        "large": "image_too_large",
        "black": "no_embedding",
    }
    assert all(each.detail.endswith(".") for each in failures(manual, reindex))
    now = state(manual, reindex)
    assert (now.status, now.done, now.failed, now.total) == ("ready", N + 2, 4, N + 2)
    assert (now.activate, now.error_code) == ("manual", "held")
    assert now.error_detail and "4 of 14 pictures" in now.error_detail
    assert now.comparison and now.comparison["gallery"] == N - 2

    with manual.database.write() as connection:
        assert reindexes.activate(connection, catalogs.get(connection, "c"), now)
    assert state(manual, reindex).status == "active"
    assert state(manual, reindex).failed == 4
    with manual.database.read() as connection:
        back = reindexes.former(connection, catalogs.get(connection, "c"))
    assert (back.failed, back.done) == (0, N + 2), "the encoder before has all of them"
    go_back(manual)


def test_the_way_back_stays_open_when_a_new_picture_is_lost(manual: ManualSystem) -> None:
    begin(manual)
    turns(manual)
    go_back(manual)  # from the other encoder, which is the way back from now on
    manual.put("c", "new", picture(50, side=64))
    manual.drain()
    original(manual, 50).unlink()
    turns(manual, 1)
    with manual.database.read() as connection:
        back = reindexes.former(connection, catalogs.get(connection, "c"))
    assert reasons(manual, back) == {"new": "picture_lost"}
    go_back(manual)


def go_back(manual: ManualSystem) -> None:
    """Roll back to the encoder before."""
    with manual.database.write() as connection:
        catalog = catalogs.get(connection, "c")
        assert reindexes.activate(connection, catalog, reindexes.former(connection, catalog))


def test_few_failures_do_not_hold_an_encoder_back(manual: ManualSystem) -> None:
    manual.accept("c", archive((f"q{i}.jpg", picture(100 + i, side=64)) for i in range(90)))
    manual.drain()
    original(manual, 3).unlink()
    reindex = begin(manual)
    turns(manual, 8)
    assert (state(manual, reindex).status, state(manual, reindex).failed) == ("active", 1)


@pytest.mark.parametrize("also_segments", [False, True])
def test_nothing_is_noted_while_the_store_is_away(
    manual: ManualSystem, also_segments: bool
) -> None:
    """A store that does not answer, and a folder that is not mounted, which answers: not there."""
    reindex, blobs = begin(manual), manual.settings.home / "blobs"
    away = blobs if also_segments else blobs / "pictures"
    away.rename(away.with_name("elsewhere"))
    if not also_segments:
        away.write_bytes(b"")  # no folder: reading in it is an error
    turns(manual, 1)
    assert state(manual, reindex).done == 0 and not failures(manual, reindex)
    if not also_segments:
        away.unlink()
    away.with_name("elsewhere").rename(away)
    turns(manual)
    assert (state(manual, reindex).status, state(manual, reindex).failed) == ("active", 0)


def test_one_reindex_that_fails_keeps_no_other_from_its_turn(manual: ManualSystem) -> None:
    """Whatever it raises: here, what nobody has foreseen."""
    first = begin(manual)
    manual.accept(manual.catalog("later"), archive([("a.jpg", picture(1, side=64))]))
    manual.drain()
    second = begin(manual, catalog="later")
    asked = iter([ZeroDivisionError("for the test")])

    def open_encoder(_: str) -> Other:
        for error in asked:
            raise error
        return Other()

    take_turn(manual.backend, open_encoder, lambda: True, "w")
    assert state(manual, first).done == 0
    assert state(manual, second, "later").done == 1
    turns(manual)
    assert state(manual, first).status == state(manual, second, "later").status == "active"


def test_a_new_reindex_tries_again_what_failed(manual: ManualSystem) -> None:
    file = original(manual, 3)
    data = file.read_bytes()
    file.unlink()
    reindex = begin(manual, "manual")
    turns(manual, 1)
    assert reasons(manual, reindex) == {"p3": "picture_lost"}
    with manual.database.write() as connection:
        reindexes.change(connection, reindex, status=reindexes.CANCELLED)
    file.write_bytes(data)
    again = begin(manual, "manual")
    assert state(manual, again).done == N - 1
    turns(manual)
    assert (state(manual, again).status, state(manual, again).failed) == ("ready", 0)


def test_a_picture_that_is_lost_later_is_left_out_of_the_comparison(manual: ManualSystem) -> None:
    reindex = begin(manual, "manual")
    turns(manual)
    with manual.database.read() as connection:
        old = catalogs.get(connection, "c")
        new = reindexes.prospect(connection, old, reindex)
    open_encoder = {"bundled": FlatEncoder()}.__getitem__
    whole = compare(manual.backend, old, new, open_encoder)
    assert whole["own_first"]["old"] is not None
    for seed in range(N - 1):
        original(manual, seed).unlink()
    rest = compare(manual.backend, old, new, open_encoder)
    assert rest["queries"] == N and rest["own_first"]["old"] in (0.0, 1.0)
    original(manual, N - 1).unlink()
    assert compare(manual.backend, old, new, open_encoder)["own_first"]["old"] is None


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
