"""The first bytes of an upload decide what it is, or what to do instead."""

from __future__ import annotations

import io
import tarfile

import pytest
from archive_files import make_tar, make_zip, v7

from visearch.archives import sniff
from visearch.errors import UnsupportedArchive


@pytest.mark.parametrize("files", [[], [("a.jpg", b"a")]])
def test_zip(files: list[tuple[str, bytes]]) -> None:
    assert sniff(make_zip(files)) == "zip"


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar(format: int) -> None:
    assert sniff(make_tar([("ä.jpg", b"a")], format)) == "tar"


def test_a_version_7_tar_is_known_by_its_checksum() -> None:
    block = v7(b"a.jpg", b"picture")
    assert sniff(block) == "tar"
    with tarfile.open(fileobj=io.BytesIO(block)) as archive:
        assert archive.getnames() == ["a.jpg"]
    with pytest.raises(UnsupportedArchive):
        sniff(b"b" + block[1:])


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x1f\x8b\x08", "gzip"),
        (b"BZh9", "bzip2"),
        (b"\xfd7zXZ\x00", "xz"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07\x01", "rar"),
        (b"", "empty"),
        (b"PK\x07\x08", "split zip"),
        (b"\xff\xd8\xff" * 300, "a picture"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "a picture"),
        (b"<!DOCTYPE html><p>Log in", "a web page"),
        (bytes(1024), "binary data of an unknown kind"),
    ],
)
def test_anything_else_says_what_to_do(head: bytes, name: str) -> None:
    with pytest.raises(UnsupportedArchive, match=name) as caught:
        sniff(head)
    assert "Send a .zip, a .tar" in caught.value.detail and "XLSX" in caught.value.detail
    assert ("If it came from an address" in caught.value.detail) is ("web page" in name)


@pytest.mark.parametrize(
    "text", ["id,image\n1,a\n", '{"id": 1}', "<?xml version='1.0'?>", "\ufeffid\timage\n"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_a_text_is_taken_for_a_table(text: str, encoding: str) -> None:
    assert sniff(text.encode(encoding, "ignore")) == "table"
