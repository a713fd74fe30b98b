"""Junk is known by what it is called, wherever it is."""

from __future__ import annotations

import pytest

from visearch.archives.junk import JUNK, junk_kind

NAMES = {
    "macos": ["__MACOSX/a/b.jpg", "x/._a.jpg", ".DS_Store", "a/.Spotlight-V100/x", ".Trashes/1"],
    "windows": ["Thumbs.db", "a/ehthumbs.db", "Desktop.ini", "$RECYCLE.BIN/S-1/a.jpg"],
    "storage": ["a/@eaDir/b.jpg/SYNOPHOTO_THUMB_M.jpg", "#recycle/a.jpg"],
    "lock": ["a/~$products.xlsx", ".~lock.products.csv#"],
    "hidden": [".git/config", "a/.hidden.jpg"],
    "temporary": ["a.tmp", "x/a.jpg.crdownload", "products.csv~"],
}


@pytest.mark.parametrize("kind", JUNK)
def test_each_kind_is_known(kind: str) -> None:
    assert [junk_kind(path) for path in NAMES[kind]] == [kind] * len(NAMES[kind])


NO_JUNK = ["a.jpg", "thumbs.db.jpg", "my.tmp/a.jpg", "a~b.jpg", "~a.jpg", "macosx/a.jpg"]


@pytest.mark.parametrize("path", [*NO_JUNK, "é/_a.jpg", "$a.jpg", "README"])
def test_the_rest_is_none(path: str) -> None:
    assert junk_kind(path) is None
