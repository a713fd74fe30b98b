"""Which format a file has, told from its first bytes; and what people send instead of a picture."""

from __future__ import annotations

import re

from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from visearch.errors import UnsupportedImage
from visearch.images.heif import HeifImageFile

# Importing a plugin registers it. Pillow imports its other plugins (EPS, WMF, …) only when
# it lacks the one it needs; with all of ours registered here, it never does.
PLUGINS: dict[str, type[ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
    "AVIF": AvifImageFile,
    "HEIF": HeifImageFile,
}
"""What opens each format we read; all others are refused."""

FORMATS: tuple[str, ...] = tuple(PLUGINS)
_BRANDED = ("AVIF", "HEIF")
_BY_MAGIC = tuple(name for name in FORMATS if name not in _BRANDED)

ACCEPTED = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC"

_HEAD = 4096  # an SVG may begin with that much licence
_CONVERT = f"Convert it to {ACCEPTED}."
_DRAWING = "an SVG drawing"

# Brands of the `ftyp` box that HEIF and AVIF share with videos (ISO 23008-12, section 10).
_AVIF = {b"avif", b"avis"}
_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_ANY_STILL = {b"mif1", b"mif2", b"msf1"}
_OTHER_BRANDS = {b"crx ": "a Canon raw (CR3) file", b"jp2 ": "a JPEG 2000 picture"}

_HTML = (b"<!doctype html", b"<html", b"<head", b"<body")
_SVG = re.compile(rb"<(\w+:)?svg\b")

# The first bytes of what is sent by mistake, and its name in a sentence.
_STRANGERS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript (EPS) file"),
    (b"8BPS", "a Photoshop (PSD) file"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\x00\x00\x01\x00", "an icon (ICO)"),
    (b"FUJIFILMCCD-RAW", "a Fujifilm raw (RAF) file"),
    (b"\x1aE\xdf\xa3", "a video (WebM or Matroska)"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"Rar!", "a RAR archive"),
    (b"{", "JSON text"),
)


def recognise(data: bytes) -> str:
    """Return the name of the format that a picture file has, one of ``FORMATS``.

    Raises:
        UnsupportedImage: it is empty, or none of them; the message says what it seems to be.
    """
    head = data[:_HEAD]
    if name := _known(head):
        return name
    raise UnsupportedImage(_advice(head))


def shown(data: bytes) -> str:
    """Return the format of a file as a word before "picture", with a space; "" if unknown."""
    name = _known(data[:_HEAD])
    return f"{name} " if name else ""


def _known(head: bytes) -> str | None:
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    for name in _BY_MAGIC:
        accepts = Image.OPEN[name][1]
        # A string (also true) means: this is my format, but Pillow was built without it.
        if accepts is not None and accepts(head[:16]):
            return name
    return None


def _by_brand(head: bytes) -> str | None:
    """Tell AVIF from HEIF: by the main brand, or if that names neither, by the others."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    major, others = head[8:12], {head[at : at + 4] for at in range(16, end - 3, 4)}
    for brands in ({major}, others):
        if brands & _AVIF:
            return "AVIF"
        if brands & _HEIF:
            return "HEIF"
    return "HEIF" if major in _ANY_STILL or others & _ANY_STILL else None


def _advice(head: bytes) -> str:
    if not head:
        return f"The file is empty. Send a {ACCEPTED} picture."
    seen = _stranger(head)
    if seen == _DRAWING:
        return f"The file is {seen}, not a picture of pixels. Export it as a PNG and send that."
    if seen:
        return f"The file is {seen}, not a picture that visearch reads. {_CONVERT}"
    return f"The file is not a {ACCEPTED} picture. Convert it to one of these formats."


def _stranger(head: bytes) -> str | None:
    """Return what the file seems to be, as words in a sentence; None if it is not known."""
    if head[4:8] == b"ftyp":
        return _OTHER_BRANDS.get(head[8:12], "a video (MP4 or QuickTime)")
    for magic, name in _STRANGERS:
        if head.startswith(magic):
            return name
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text.startswith(b"<"):
        return None
    if text.lower().startswith(_HTML):
        return "a web page (HTML)"
    if _SVG.search(text):
        return _DRAWING
    return "XML text" if text.startswith(b"<?xml") else None
