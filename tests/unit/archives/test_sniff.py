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
        (b"\xff\xd8\xff" * 300, "not an archive"),
        (bytes(1024), "not an archive"),
    ],
)
def test_anything_else_says_what_to_do(head: bytes, name: str) -> None:
    with pytest.raises(UnsupportedArchive, match=name) as caught:
        sniff(head)
    assert "Upload a .zip, or a .tar" in caught.value.detail
