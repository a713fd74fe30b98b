"""Zips as merchants' tools write them: what goes in is planned and fetched again."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest
from archive_files import items, make_zip, pictures, raw_zip
from hypothesis import given
from hypothesis import strategies as st

from visearch.archives import Contents, fetch
from visearch.errors import ArchiveCorrupt, ArchiveTooLarge, ImageTooLarge, MemberError

FILES = [("a/ä.jpg", b"one" * 50), ("b.png", b""), ("a/c", bytes(range(256)) * 20)]
NAMES = st.from_regex(r"[a-zé0-9]{1,6}(/[a-zé0-9]{1,6}){0,2}\.jpg", fullmatch=True)


class Unseekable(io.BytesIO):
    """What zipfile sees when it writes to a socket: it then uses data descriptors."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


@given(st.lists(st.tuples(NAMES, st.binary(max_size=300)), max_size=6), st.sampled_from([0, 8]))
def test_round_trip(files: list[tuple[str, bytes]], method: int) -> None:
    files = list(dict(files).items())
    data = make_zip(files, method)
    planned = items(data)
    assert [item.path for item in planned] == [name for name, _ in files]
    assert pictures(data, planned) == [content for _, content in files]


def test_zip64_and_streamed_zips() -> None:
    zip64 = make_zip(FILES, force_zip64=True)
    out = Unseekable()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES:
            archive.writestr(name, content)
    for data in (zip64, out.getvalue()):
        assert pictures(data, items(data)) == [content for _, content in FILES]


def test_zip64_end_of_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 20)
    data = make_zip(FILES, force_zip64=True)
    assert b"PK\x06\x06" in data
    assert pictures(data, items(data)) == [content for _, content in FILES]


def test_what_an_item_says() -> None:
    item = items(make_zip([("shoes/left.one.jpg", b"x" * 900)]))[0]
    assert (item.path, item.product_id, item.position) == (
        "shoes/left.one.jpg",
        "shoes/left.one",
        0,
    )
    assert item.attributes == {"folder": "shoes"}
    assert item.size == item.locator["packed"] < item.locator["size"] == 900


@pytest.mark.parametrize(
    ("name", "product"),
    [
        ("../../etc/a.jpg", "etc/a"),
        ("/abs/a.jpg", "abs/a"),
        ("x\\y\\a.jpg", "x/y/a"),
        ("./x/.././a.jpg", "a"),
        ("cafe\u0301.jpg", "caf\u00e9"),
        ("README", "README"),
        ("v1.2/README", "v1.2/README"),
    ],
)
def test_names_become_plain_relative_ids(name: str, product: str) -> None:
    assert items(make_zip([(name, b"a")]))[0].product_id == product


def test_litter_and_folders_are_no_items() -> None:
    litter = ["d/", "__MACOSX/._a.jpg", ".DS_Store", "d/.DS_Store", "d/Thumbs.db", ".git/x", "w\\"]
    others = ["README.txt", "d/Terms.PDF", "IMG_1.MOV"]
    data = make_zip([(name, b"") for name in [*litter, *others]] + [("README", b"hello")])
    assert [item.path for item in items(data)] == ["README"]
    contents = Contents(io.BytesIO(data), "zip", max_items=100)
    assert [*contents.left_out(lambda _: False)][:4] == [*others, "__MACOSX/._a.jpg"]


@pytest.mark.parametrize("name", ["x" * 513 + ".jpg", "a\x01b.jpg", "..", "\ufffd.jpg"])
def test_names_that_make_no_product_id(name: str) -> None:
    (item,) = items(make_zip([(name, b"a")]))
    assert item.code == "invalid_product_id"
    assert item.detail
    assert len(item.product_id) <= 512 and "\x01" not in item.product_id + item.path


def test_two_members_of_one_name_are_two_items() -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        data = make_zip([("a.jpg", b"1"), ("a.jpg", b"2")])
    assert pictures(data, items(data)) == [b"1", b"2"]


def patched(data: bytes, offset: int, value: int) -> bytes:
    """Change a 16 bit field of the first directory entry."""
    at = data.rindex(b"PK\x01\x02") + offset
    return data[:at] + struct.pack("<H", value) + data[at + 2 :]


@pytest.mark.parametrize(
    ("offset", "value", "code"),
    [
        (8, 1, "member_encrypted"),
        (10, 14, "member_compression"),
        (40, 0o120777, "member_not_a_file"),
    ],
)
def test_members_that_cannot_be_read(offset: int, value: int, code: str) -> None:
    (item,) = items(patched(make_zip([("a.jpg", b"abc")]), offset, value))
    assert (item.code, item.locator) == (code, {})
    assert item.detail


def test_names_in_old_code_pages() -> None:
    data = make_zip([("caf_.jpg", b"a")]).replace(b"caf_", b"caf\x82")
    assert items(data)[0].product_id == "café"
    data = make_zip([("caf__.jpg", b"a")]).replace(b"caf__", "café".encode())
    assert items(data)[0].product_id == "café"


def unicode_path(name: bytes, text: bytes, version: int = 1) -> bytes:
    content = struct.pack("<BL", version, zlib.crc32(name)) + text
    other = struct.pack("<2H4s", 0x5455, 4, b"time")
    return other + struct.pack("<2H", 0x7075, len(content)) + content


def test_a_name_is_what_its_unicode_path_says() -> None:
    for name in (b"_.jpg", b"\x83\\.jpg", b"caf\xe9.jpg"):
        data = raw_zip([(name, b"a")], lambda raw: unicode_path(raw, "ソ/é.jpg".encode()))
        (item,) = items(data)
        assert (item.path, item.product_id) == ("ソ/é.jpg", "ソ/é")
        assert pictures(data, [item]) == [b"a"]


def test_a_unicode_path_of_another_name_does_not_count() -> None:
    stale = unicode_path(b"other.jpg", b"b.jpg")
    later = unicode_path(b"a.jpg", b"b.jpg", version=2)
    for extra in (stale, later, unicode_path(b"a.jpg", b"\xff"), struct.pack("<2H", 0x7075, 9)):
        assert items(raw_zip([(b"a.jpg", b"a")], lambda raw, it=extra: it))[0].path == "a.jpg"


def test_a_second_byte_that_is_a_backslash_separates_nothing() -> None:
    # In Shift-JIS: a file, a folder, and a file that bears the name of the folder's character.
    data = raw_zip([(b"\x83\\.jpg", b"a"), (b"\x83\\/b.jpg", b"b"), (b"\x83\\", b"c")])
    assert [item.path.count("/") for item in items(data)] == [0, 1, 0]
    assert [item.path for item in items(raw_zip([(b"x\\\xe9.jpg", b"a")]))] == ["x/Θ.jpg"]
    assert items(raw_zip([(b"\xe9\xe9x\\", b"")])) == []


def test_a_comment_and_an_inner_zip_do_not_confuse_the_end() -> None:
    inner = make_zip([("inner.jpg", b"i")])
    data = make_zip([("a.zip", inner)], zipfile.ZIP_STORED)
    assert [item.path for item in items(data)] == ["a.zip"]
    with pytest.raises(ArchiveCorrupt):
        items(data[: data.index(inner) + len(inner) + 5])
    commented = data[:-2] + struct.pack("<H", 4) + b"note"
    assert [item.path for item in items(commented)] == ["a.zip"]


def test_too_many_items_is_known_before_the_first() -> None:
    data = make_zip([(f"{n}.jpg", b"") for n in range(7)])
    assert len(items(data, max_items=7)) == 7
    with pytest.raises(ArchiveTooLarge, match="5"):
        Contents(io.BytesIO(data), "zip", max_items=5)
    with pytest.raises(ArchiveTooLarge, match="6"):
        items(data, max_items=6)


def test_members_that_share_bytes_are_refused() -> None:
    data = make_zip([("a.jpg", bytes(2000))], zipfile.ZIP_STORED)
    end = data.index(b"PK\x05\x06")
    start = data.index(b"PK\x01\x02")
    entry = data[start:end]
    record = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 9, 9, len(entry) * 9, start, 0)
    with pytest.raises(ArchiveCorrupt, match="overlap"):
        items(data[:start] + entry * 9 + record)


def test_a_bomb_stops_at_the_limit() -> None:
    data = make_zip([("bomb.jpg", bytes(1 << 24)), ("a.jpg", b"fine")])
    planned = items(data)
    reads: list[tuple[int, int]] = []

    def read_range(start: int, end: int) -> bytes:
        reads.append((start, end))
        return data[start:end]

    locators = [item.locator for item in planned]
    bomb, fine = fetch(read_range, "zip", locators, max_bytes=1000)
    assert isinstance(bomb, ImageTooLarge) and fine == b"fine"
    assert all(start > planned[0].size for start, _ in reads), "the bomb was not even read"
    locators[0]["size"] = 900  # a liar: the limit holds while inflating, too
    bomb, fine = fetch(read_range, "zip", locators, max_bytes=1000)
    assert isinstance(bomb, (ImageTooLarge)) and fine == b"fine"
    bomb, fine = fetch(read_range, "zip", locators, max_bytes=1 << 25)
    assert isinstance(bomb, MemberError) and bomb.code == "member_corrupt" and fine == b"fine"
