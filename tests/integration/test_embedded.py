"""``visearch.Catalog``: the whole system in one process, without a server."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from system import archive, borrow_graphs, lend_graphs, picture

from visearch import Catalog
from visearch.errors import (
    Conflict,
    ImageError,
    InvalidRequest,
    NotFound,
    UnsupportedArchive,
    VisearchError,
)
from visearch.fusion.fit import FEWEST
from visearch.fusion.focus import FOCUSES


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """The folder of a catalog; the encoder is exported for the first one."""
    home = tmp_path / "shop"
    borrow_graphs(home)
    yield home
    lend_graphs(home)


def test_an_added_picture_is_found_and_stays_found_after_reopening(home: Path) -> None:
    with Catalog(home) as shop:
        for i in range(8):
            shop.add(f"p{i}", picture(i), title=f"Product {i}", attributes={"even": i % 2 == 0})
        assert len(shop) == 8
    with Catalog(home) as shop:
        hits = shop.search(picture(3), limit=3)
        assert [hit.rank for hit in hits] == [1, 2, 3]
        assert (hits[0].product_id, hits[0].title) == ("p3", "Product 3")
        assert hits[0].score > 0.99
        even = shop.search(picture(3), filter={"even": True})
        assert {hit.product_id for hit in even} == {"p0", "p2", "p4", "p6"}


def test_every_form_of_a_picture_finds_the_same_product(home: Path, tmp_path: Path) -> None:
    data = picture(5)
    file = tmp_path / "query.jpg"
    file.write_bytes(data)
    with Catalog(home) as shop:
        shop.add("five", data)
        shop.add("six", picture(6))
        for form in (data, file, str(file), Image.open(io.BytesIO(data))):
            assert shop.search(form)[0].product_id == "five"


def test_replacing_and_removing(home: Path) -> None:
    with Catalog(home) as shop:
        shop.add("a", picture(1), picture(2))
        shop.add("a", picture(3))
        assert len(shop.search(picture(1), group=False)) == 1
        shop.remove("a")
        assert shop.search(picture(3)) == []
        assert len(shop) == 0
        with pytest.raises(NotFound):
            shop.remove("a")


def test_bad_input_is_refused_with_a_reason_and_spoils_nothing(home: Path, tmp_path: Path) -> None:
    with Catalog(home) as shop:
        with pytest.raises(ImageError, match="JPEG"):
            shop.add("bad", picture(1), b"not a picture")
        assert shop.search(picture(1))[0].product_id == "bad"  # its good picture was added
        with pytest.raises(InvalidRequest):
            shop.add("none")
        with pytest.raises(InvalidRequest, match="limit"):
            shop.search(picture(1), limit=0)
        with pytest.raises(ImageError):
            shop.search(b"")
        with pytest.raises(ImageError, match="cannot read"):
            shop.search(tmp_path / "missing.jpg")
        (tmp_path / "x.zip").write_bytes(bytes(1024))
        with pytest.raises(UnsupportedArchive):
            shop.import_file(tmp_path / "x.zip")
        (tmp_path / "x.csv").write_text("id,image\n1,http://127.0.0.1/a.jpg\n2,a.jpg\n")
        failed = shop.failures(shop.import_file(tmp_path / "x.csv").id)
        assert [item.code for item in failed] == ["url_refused_address", "picture_not_a_url"]


@pytest.mark.parametrize(
    "product",
    [
        {"product_id": ""},
        {"product_id": "a" * 513},
        {"product_id": "a\nb"},
        {"title": "x" * 2001},
        {"title": "a\0b"},
        {"url": "x" * 4001},
        {"attributes": {"a": float("nan")}},
        {"attributes": {"a": "\0"}},
        {"attributes": {"a": {"b": 1}}},
        {"attributes": {str(i): i for i in range(65)}},
    ],
)
def test_what_the_server_refuses_of_a_product_is_refused_here(
    tmp_path: Path, product: dict[str, Any]
) -> None:
    with Catalog(tmp_path) as shop:
        with pytest.raises(InvalidRequest) as caught:
            shop.add(product.pop("product_id", "a"), picture(1), **product)
        assert str(caught.value).endswith(".")
        assert len(shop) == 0


def test_an_archive_with_a_broken_picture_is_partial(home: Path, tmp_path: Path) -> None:
    members = [(f"red/p{i}.png", picture(i, form="PNG")) for i in range(70)]
    (tmp_path / "a.zip").write_bytes(archive([*members, ("red/broken.jpg", b"\xff\xd8\xff")]))
    with Catalog(home) as shop:
        done = shop.import_file(tmp_path / "a.zip")
        assert (done.status, done.counts.items) == ("partial", 71)
        assert (done.counts.searchable, done.counts.failed) == (70, 1)
        (failure,) = shop.failures(done.id)
        assert failure.path == "red/broken.jpg"
        assert failure.code == "image_corrupt"
        hit = shop.search(picture(69))[0]
        assert (hit.product_id, hit.attributes) == ("red/p69", {"folder": "red"})


def test_a_folder_is_previewed_and_imported_by_a_mapping(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    (folder / "pictures").mkdir(parents=True)
    for n in range(2):
        (folder / "pictures" / f"{n}.jpg").write_bytes(picture(n))
    table = "Nr;Foto;Titel\n7;pictures/0.jpg;Lampe\n8;pictures/1.jpg;Vase\n9;x.jpg;Fehlt\n"
    (folder / "liste.csv").write_text(table)
    mapping = {"Nr": "id", "Foto": "picture", "Titel": "title"}
    with Catalog(home, "by-folder") as shop:
        preview = shop.preview_file(folder, mapping=mapping)
        assert (preview.counts.add, preview.counts.failed) == (2, 1)
        assert len(shop) == 0
        done = shop.import_file(folder, mapping=mapping)
        assert (done.status, done.counts.searchable, done.counts.failed) == ("partial", 2, 1)
        assert shop.search(picture(1))[0].title == "Vase"
        with pytest.raises(VisearchError, match="no file or folder"):
            shop.import_file(tmp_path / "nowhere")
        with pytest.raises(InvalidRequest):
            shop.import_file(folder, mapping={"Nr": "colour?"})


def test_a_killed_import_goes_on_when_the_folder_is_opened_again(tmp_path: Path) -> None:
    program = """
import os, sys
from visearch import Catalog
from visearch import inline
stop = int(sys.argv[3])
run, turns = inline.InlineWorker._run, []
def dying(self, task, payload):
    turns.append(task)
    if len(turns) > stop:
        os._exit(9)
    run(self, task, payload)
inline.InlineWorker._run = dying
Catalog(sys.argv[1], "shop").import_file(sys.argv[2])
"""
    file = tmp_path / "files.zip"
    file.write_bytes(archive([(f"p{i}.jpg", picture(i)) for i in range(5)]))
    for turns in range(3):  # killed before planning, decoding, embedding
        home = tmp_path / f"home{turns}"
        borrow_graphs(home)
        arguments = [sys.executable, "-c", program, str(home), str(file), str(turns)]
        assert subprocess.run(arguments, check=False, timeout=120).returncode == 9
        with Catalog(home, "shop") as shop:
            assert len(shop) == 5


def test_a_folder_serves_one_process_at_a_time(tmp_path: Path) -> None:
    program = "import sys; from visearch import Catalog; Catalog(sys.argv[1])"
    with Catalog(tmp_path, "one"), Catalog(tmp_path, "two"):
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert "Another process runs visearch" in done.stderr
    assert (
        subprocess.run([sys.executable, "-c", program, str(tmp_path)], timeout=60).returncode == 0
    )


def test_a_catalog_keeps_its_metric(tmp_path: Path) -> None:
    Catalog(tmp_path, metric="euclidean").close()
    with pytest.raises(Conflict, match="euclidean"):
        Catalog(tmp_path)


def test_what_counts_is_fitted_to_the_pictures(home: Path) -> None:
    with Catalog(home) as shop:
        files = [(f"p{i}.jpg", picture(i)) for i in range(FEWEST)]
        path = home.parent / "pictures.zip"
        path.write_bytes(archive(files))
        shop.import_file(path)
        fitted = shop.fit_ranking()
        assert fitted.fit is not None and fitted.weights == fitted.fit["chosen"]["weights"]
        assert (fitted.pictures, fitted.given) == (FEWEST, False)
        by_kind, by_look = (
            {hit.product_id: hit.score for hit in shop.search(picture(3), limit=9, focus=focus)}
            for focus in FOCUSES
            if focus != "product"
        )
        assert by_kind["p3"] == by_look["p3"] == 1 and by_kind != by_look
