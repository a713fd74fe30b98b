"""A thumbnail that is lost or damaged is made again from the stored picture."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from system import System, archive, eventually, picture

from visearch.store import images
from visearch.store.database import Database

WAYS: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "damaged": lambda path: path.write_bytes(b"\xff" * 100),
}


def stored(system: System, catalog: str, seed: int) -> str:
    """Store a product; returns the path of its thumbnail below the server's root."""
    system.create_catalog(catalog)
    system.finish(system.upload(catalog, archive([("p.jpg", picture(seed))])))
    product = system.http.get(f"/v1/catalogs/{catalog}/products/p").raise_for_status().json()
    return str(product["images"][0]["url"])


def blob(system: System, url: str) -> Path:
    return system.home / "blobs" / "thumbnails" / Path(url).stem


@pytest.mark.parametrize("way", WAYS)
def test_it_is_made_again(system: System, way: str) -> None:
    url = stored(system, way, list(WAYS).index(way) + 1)
    before = system.http.get(url).raise_for_status().content
    WAYS[way](blob(system, url))
    assert system.http.get(url).status_code == 404
    eventually(lambda: system.http.get(url).status_code == 200, what="the thumbnail")
    assert system.http.get(url).content == before
    aside = system.home / "blobs" / "damaged" / "thumbnails" / Path(url).stem
    assert aside.exists() == (way == "damaged")


def test_it_may_come_out_otherwise(system: System) -> None:
    """As after another release of the codec: its name changes, also in answers."""
    url = stored(system, "otherwise", 3)
    assert system.search(picture(3), "otherwise")["results"][0]["image_url"] == url
    former = hashlib.sha256(b"as it was made once").hexdigest()
    database = Database(system.settings.database)
    with database.write() as connection:
        images.show(connection, Path(url).stem, former)
    database.close()
    blob(system, url).unlink()
    assert system.http.get(f"/thumbnails/{former}.jpg").status_code == 404
    eventually(lambda: system.http.get(url).status_code == 200, what="the thumbnail")
    found = system.search(picture(3), "otherwise")
    assert found["results"][0]["image_url"] == url and not found["cached"]
    assert system.http.get(f"/thumbnails/{former}.jpg").status_code == 404


def test_without_the_picture_it_is_gone_until_that_is_sent_again(system: System) -> None:
    url = stored(system, "gone", 9404)
    blob(system, url).unlink()
    digest = hashlib.sha256(picture(9404)).hexdigest()
    (system.home / "blobs" / "pictures" / digest).unlink()
    for _ in range(5):
        assert system.http.get(url).status_code == 404
    told = "thumbnail_not_mended"
    eventually(lambda: told in system.log("ingest"), what="the attempt")
    assert system.http.get(url).status_code == 404
    assert system.log("ingest").count(told) == 1
    system.finish(system.upload("gone", archive([("p.jpg", picture(9404))])))
    assert system.http.get(url).status_code == 200
