"""Files are told apart by what they are, not by what their host calls them."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from visearch.fetching.sniff import SNIFFED, kind_of


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "ICO"])
def test_pictures_as_programs_write_them(name: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(file, name)
    assert kind_of(file.getvalue()[:SNIFFED]).is_picture


@pytest.mark.parametrize(
    "head",
    [b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic",
     b"\0\0\0\x1cftypisom\0\0\0\0avif", b"\xff\x0a\xfa", b"\0\0\0\x0cJXL \r\n\x87\n",
     b"\0\0\0\x0cjP  \r\n\x87\n", b"8BPS\0\1", b"MM\0*\0\0"],
)  # fmt: skip
def test_other_kinds_of_pictures_are_left_to_the_decoder(head: bytes) -> None:
    assert kind_of(head).is_picture


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html>\n<html>", "a web page (HTML)"),
        (b"\xef\xbb\xbf\n  <!-- x --><HTML lang=de>", "a web page (HTML)"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "an SVG drawing"),
        (b"<?xml version='1.0'?><!-- x -->\n<svg>", "an SVG drawing"),
        (b"<?xml version='1.0'?><rss>", "an XML file"),
        (b'{"error": "no"}', "a JSON file"),
        (b"%PDF-1.7", "a PDF"),
        (b"PK\3\4\x14\0", "a zip archive"),
        (b"\x1f\x8b\x08", "a compressed file (gzip)"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isom", "a video"),
        (b"\x1a\x45\xdf\xa3", "a video"),
        (b"BM is how this text begins, and it is longer than a head", "a text"),
        (b"RIFF\0\0\0\0WAVEfmt ", "a file of an unknown kind"),
        (b"Not found", "a text"),
        (bytes(100), "a file of an unknown kind"),
    ],
)
def test_other_files_are_named(head: bytes, words: str) -> None:
    assert kind_of(head) == (False, words)
