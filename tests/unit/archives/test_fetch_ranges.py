"""How fetch reads: few ranges, in order, one member's fault its own."""

from __future__ import annotations

import os
import zipfile
from typing import Any

import pytest
from archive_files import items, make_tar, make_zip, pictures
from hypothesis import given
from hypothesis import strategies as st

from visearch.archives import fetch
from visearch.errors import MemberError

FILES = [(f"{n:02}.jpg", os.urandom(1000)) for n in range(20)]
ZIP = make_zip(FILES, zipfile.ZIP_STORED)


class Storage:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.reads: list[tuple[int, int]] = []

    def __call__(self, start: int, end: int) -> bytes:
        self.reads.append((start, end))
        return self.data[start:end]


def locators(data: bytes, media: Any = "zip") -> list[dict[str, Any]]:
    return [item.locator for item in items(data, media)]


@given(st.permutations(range(20)))
def test_neighbours_are_one_read_in_any_order(order: list[int]) -> None:
    storage, places = Storage(ZIP), locators(ZIP)
    results = list(fetch(storage, "zip", [places[n] for n in order], max_bytes=2000))
    assert results == [FILES[n][1] for n in order]
    assert len(storage.reads) == 1


def test_far_members_are_read_apart() -> None:
    data = make_tar([("a.jpg", b"a"), ("gap", bytes(300_000)), ("b.jpg", b"b")])
    storage, places = Storage(data), locators(data, "tar")
    assert list(fetch(storage, "tar", [places[0], places[2], places[0]], max_bytes=9)) == [
        b"a",
        b"b",
        b"a",
    ]
    assert len(storage.reads) == 3 and sum(e - s for s, e in storage.reads) == 3


def test_one_read_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fetch.__globals__, "LARGEST_READ", 5000)
    storage = Storage(ZIP)
    results = list(fetch(storage, "zip", locators(ZIP), max_bytes=2000))
    assert results == [content for _, content in FILES]
    assert len(storage.reads) > 3 and max(e - s for s, e in storage.reads) <= 5000


def test_nothing_wanted_nothing_read() -> None:
    storage = Storage(make_tar([("a", b"")]))
    assert list(fetch(storage, "tar", [], max_bytes=9)) == []
    assert list(fetch(storage, "tar", locators(storage.data, "tar"), max_bytes=9)) == [b""]
    assert storage.reads == []


def test_a_name_longer_than_guessed_costs_one_read_more() -> None:
    rows = b"id,image\n1," + b"d" * 3000 + b"/a.jpg\n"
    data = make_zip([("d" * 3000 + "/a.jpg", b"long"), ("m.csv", rows)])
    storage, places = Storage(data), locators(data)
    assert list(fetch(storage, "zip", places, max_bytes=9)) == [b"long"]
    assert len(storage.reads) == 2


def test_storage_that_fails_is_not_the_members_fault() -> None:
    def down(start: int, end: int) -> bytes:
        raise ConnectionError("storage is down")

    with pytest.raises(ConnectionError):
        list(fetch(down, "zip", locators(ZIP), max_bytes=2000))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_broken_member_fails_alone(method: int) -> None:
    data = bytearray(make_zip(FILES, method))
    planned = items(bytes(data))
    data[planned[3].locator["offset"]] ^= 1  # the header's magic
    data[planned[5].locator["offset"] + 26] ^= 0xFF  # the length of its name
    data[planned[9].locator["offset"] + 500] ^= 1  # the picture
    results = pictures(bytes(data), planned)
    for number, (result, (_, content)) in enumerate(zip(results, FILES, strict=True)):
        if number in (3, 5, 9):
            assert isinstance(result, MemberError) and result.code == "member_corrupt"
        else:
            assert result == content
