"""What the first bytes of a file say it is; what its host says of it is often wrong."""

from __future__ import annotations

import re
from typing import NamedTuple

SNIFFED = 512
"""So many bytes are enough."""


class Kind(NamedTuple):
    """What a file is, in words; any picture counts, whether or not it can be decoded here."""

    is_picture: bool
    words: str


_PICTURES = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"GIF8",
    b"II*\0",  # TIFF
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
    b"\xff\x0a",  # JPEG XL
    b"\0\0\0\x0cJXL ",
    b"\0\0\0\x0cjP  ",  # JPEG 2000
    b"8BPS",  # Photoshop
    b"\0\0\1\0",  # icon
)
_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_OTHERS = (
    (b"%PDF-", "a PDF"),
    (b"PK\3\4", "a zip archive"),
    (b"\x1f\x8b", "a compressed file (gzip)"),
    (b"\x1a\x45\xdf\xa3", "a video"),
)
_HTML = re.compile(rb"<(!doctype html|html|head|body|title|script|meta|div)\b", re.IGNORECASE)
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1f]")


def kind_of(head: bytes) -> Kind:
    """Tell what a file is that begins with ``head`` (its first ``SNIFFED`` bytes, or all)."""
    if _is_picture(head):
        return Kind(True, "a picture")
    return Kind(False, _words(head))


def _is_picture(head: bytes) -> bool:
    if head.startswith(_PICTURES):
        return True
    if head[:4] == b"RIFF":
        return head[8:12] == b"WEBP"
    if head[4:8] == b"ftyp":
        return head[8:12] in _BRANDS or any(brand in head[16:64] for brand in _BRANDS)
    return head[:2] == b"BM" and len(head) >= 26 and head[14:18] in _BMP_HEADERS


_BMP_HEADERS = tuple(size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124))
"""Two letters alone may begin any text; a BMP says the size of its header as well."""


def _words(head: bytes) -> str:
    if not head:
        return "an empty file"
    if head[4:8] == b"ftyp":
        return "a video"
    for magic, words in _OTHERS:
        if head.startswith(magic):
            return words
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if b"<svg" in text:
        return "an SVG drawing"
    if _HTML.search(text):
        return "a web page (HTML)"
    if text.startswith(b"<"):
        return "an XML file"
    if text.startswith((b"{", b"[")):
        return "a JSON file"
    return "a file of an unknown kind" if _CONTROL.search(text) else "a text"
