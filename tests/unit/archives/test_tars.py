"""Tars of every dialect: what goes in is planned and fetched again."""

from __future__ import annotations

import io
import tarfile

import pytest
from archive_files import items, make_tar, pictures, v7
from hypothesis import given
from hypothesis import strategies as st

from visearch.archives import fetch
from visearch.errors import ArchiveCorrupt, ImageTooLarge, MemberError

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
NAMES = st.from_regex(r"[a-zé0-9]{1,6}(/[a-z0-9]{1,60}){0,2}\.jpg", fullmatch=True)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=1100)), max_size=5), st.sampled_from(FORMATS))
def test_round_trip(files: list[tuple[str, bytes]], format: int) -> None:
    data = make_tar(files, format)
    planned = items(data, "tar")
    assert [item.path for item in planned] == [name for name, _ in files]
    assert [item.size for item in planned] == [len(content) for _, content in files]
    assert pictures(data, planned, "tar") == [content for _, content in files]


@pytest.mark.parametrize("format", FORMATS[1:])
def test_long_names(format: int) -> None:
    name = "/".join(["very-long-folder-ö"] * 20) + "/a.jpg"
    data = make_tar([(name, b"one"), ("b.jpg", b"two")], format)
    planned = items(data, "tar")
    assert [item.path for item in planned] == [name, "b.jpg"]
    assert pictures(data, planned, "tar") == [b"one", b"two"]


def test_version_7() -> None:
    data = v7(b"a.jpg", b"picture")
    assert pictures(data, items(data, "tar"), "tar") == [b"picture"]


def special(kind: bytes, **fields: object) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("odd.jpg")
        info.type = kind
        for name, value in fields.items():
            setattr(info, name, value)
        archive.addfile(info)
        plain = tarfile.TarInfo("a.jpg")
        plain.size = 3
        archive.addfile(plain, io.BytesIO(b"abc"))
    return out.getvalue()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_items_that_failed(kind: bytes) -> None:
    odd, plain = items(special(kind, linkname="/etc/passwd"), "tar")
    assert (odd.path, odd.code, odd.locator) == ("odd.jpg", "member_not_a_file", {})
    assert (plain.path, plain.code) == ("a.jpg", None)


def test_folders_and_sparse_files() -> None:
    assert [item.path for item in items(special(tarfile.DIRTYPE), "tar")] == ["a.jpg"]
    headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "s.jpg"}
    odd, _ = items(special(tarfile.REGTYPE, pax_headers=headers), "tar")
    assert (odd.path, odd.code) == ("s.jpg", "member_not_a_file")
    odd, plain = items(special(tarfile.GNUTYPE_SPARSE), "tar")
    assert (odd.code, plain.path) == ("member_not_a_file", "a.jpg")


def test_numbers_in_base_256() -> None:
    data = bytearray(v7(b"a.jpg", b"picture"))
    data[124:136] = b"\x80" + (7).to_bytes(11, "big")
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\x00 " % sum(data[:512])
    assert items(bytes(data), "tar")[0].size == 7


def test_the_end_mark_is_required_and_final() -> None:
    data = v7(b"a.jpg", b"picture")
    assert len(items(data[:-512], "tar")) == 1
    for broken in (data[:-1024], data[:700], data[:100], b"", data + data):
        with pytest.raises(ArchiveCorrupt):
            items(broken, "tar")


def test_a_huge_extended_header_is_not_read() -> None:
    data = bytearray(v7(b"pax", bytes(2 << 20)))
    data[156:157] = b"x"
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\x00 " % sum(data[:512])
    with pytest.raises(ArchiveCorrupt):
        items(bytes(data), "tar")


def test_size_limit_and_short_storage() -> None:
    data = make_tar([("a.jpg", b"x" * 2000), ("b.jpg", b"y" * 10)])
    planned = items(data, "tar")
    large, small = pictures(data, planned, "tar", max_bytes=1000)
    assert isinstance(large, ImageTooLarge) and small == b"y" * 10
    planned[1].locator["offset"] = len(data) - 5
    with pytest.raises(AssertionError):
        pictures(data, planned, "tar", max_bytes=1000)


def test_storage_that_returns_less_fails_the_member() -> None:
    data = make_tar([("a.jpg", b"x" * 20), ("b.jpg", b"y" * 10)])
    locators = [item.locator for item in items(data, "tar")]
    first, second = fetch(lambda s, e: data[s:e][:-1], "tar", locators, max_bytes=100)
    assert first == b"x" * 20
    assert isinstance(second, MemberError) and second.code == "member_corrupt"
