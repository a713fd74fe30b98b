"""Formats are told from the first bytes, and what is sent by mistake is called by its name."""

from __future__ import annotations

import struct

import pytest
from pictures import LOSSLESS, LOSSY, encode, quadrants

from visearch.errors import ImageCorrupt, UnsupportedImage
from visearch.images import decode
from visearch.images.formats import FORMATS, recognise, shown


def file_type(major: bytes, *others: bytes) -> bytes:
    return struct.pack(">I4s4sI", 16 + 4 * len(others), b"ftyp", major, 0) + b"".join(others)


@pytest.mark.parametrize("name", FORMATS)
def test_formats_are_recognised(name: str) -> None:
    data = encode(quadrants(), name, **(LOSSLESS | LOSSY)[name])
    assert recognise(data) == name
    assert shown(data) == f"{name} "
    assert shown(b"hello") == ""


@pytest.mark.parametrize("major", [b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"])
def test_heif_is_told_by_its_brand(major: bytes) -> None:
    data = file_type(major, b"mif1", b"miaf") + bytes(100)
    assert recognise(data) == "HEIF"
    with pytest.raises(ImageCorrupt, match="HEIF file"):
        decode(data)


@pytest.mark.parametrize(
    ("brands", "name"),
    [
        ((b"mif1", b"heic"), "HEIF"),
        ((b"mif1", b"miaf", b"avif"), "AVIF"),
        ((b"avif", b"mif1", b"heic"), "AVIF"),
        ((b"miaf", b"mif1", b"heix"), "HEIF"),
        ((b"1pic", b"mif1"), "HEIF"),
    ],
)
def test_other_brands_decide_where_the_main_one_does_not(brands: list[bytes], name: str) -> None:
    assert recognise(file_type(*brands) + b"avif" * 9) == name


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<svg xmlns='x'/>", "an SVG drawing, not a picture of pixels. Export it as a PNG"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a --><svg:svg>", "an SVG drawing"),
        (b"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY a 'b'>]><svg>", "an SVG drawing"),
        (b"\n<!DOCTYPE HTML><body><svg>", "a web page"),
        (b"<?xml version='1.0'?><rss/>", "XML text"),
        (b"%PDF-1.7", "a PDF document"),
        (file_type(b"isom", b"mp42"), "a video"),
        (file_type(b"crx "), "a Canon raw"),
        (b"\x00\x00\x00\x0cJXL \r\n", "a JPEG XL picture"),
        (b"PK\x03\x04", "a zip archive"),
        (b"<" * 5000, "not a JPEG, PNG"),
    ],
)
def test_what_is_sent_by_mistake_is_called_by_its_name(data: bytes, words: str) -> None:
    with pytest.raises(UnsupportedImage) as caught:
        decode(data)
    assert words in caught.value.detail
