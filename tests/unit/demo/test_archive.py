"""The archive the demo is imported from: readable, consistent, repeatable."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from visearch.demo import write_archive
from visearch.demo.archive import COLUMNS
from visearch.demo.draw import products

COUNT = 6


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "demo.zip"
    write_archive(path, COUNT)
    return path


def rows(archive: Path) -> list[dict[str, str]]:
    with zipfile.ZipFile(archive) as members:
        text = members.read("manifest.csv").decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_same_arguments_same_bytes(archive: Path, tmp_path: Path) -> None:
    write_archive(tmp_path / "again.zip", COUNT)
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_manifest_tells_every_product(archive: Path) -> None:
    found = rows(archive)
    assert tuple(found[0]) == COLUMNS
    for row, product in zip(found, products(COUNT), strict=True):
        assert (row["id"], row["title"]) == (product.id, product.title)
        assert {name: row[name] for name in product.attributes} == product.attributes


def test_manifest_and_pictures_match_both_ways(archive: Path) -> None:
    named = [name for row in rows(archive) for name in row["image"].split("|")]
    with zipfile.ZipFile(archive) as members:
        assert members.testzip() is None
        held = [name for name in members.namelist() if name != "manifest.csv"]
    assert len(named) == 2 * COUNT
    assert named == held


def test_members_are_jpeg_pictures(archive: Path) -> None:
    with zipfile.ZipFile(archive) as members:
        for name in members.namelist()[:4]:
            with Image.open(io.BytesIO(members.read(name))) as picture:
                assert picture.format == "JPEG"
                assert picture.size == (320, 320)


def test_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="count"):
        write_archive(tmp_path / "demo.zip", count=10**6)
    assert list(tmp_path.iterdir()) == []
