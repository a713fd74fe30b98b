"""Pictures the tests in this folder share, and the hand-made files Pillow cannot write."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

CORNERS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255,) * 3}


LOSSLESS = {"PNG": {}, "BMP": {}, "TIFF": {}, "GIF": {}, "WEBP": {"lossless": True}}


LOSSY = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "AVIF": {"quality": 95, "speed": 10},
    "HEIF": {"quality": 95, "chroma": "444"},
}


def quadrants(width: int = 48, height: int = 32) -> Image.Image:
    """Red, green / blue, white: every flip and rotation of it looks different."""
    image = Image.new("RGB", (width, height))
    for i, colour in enumerate(CORNERS.values()):
        x, y = (i % 2) * width // 2, (i // 2) * height // 2
        image.paste(colour, (x, y, x + width // 2, y + height // 2))
    return image


def encode(image: Image.Image, name: str, **options: Any) -> bytes:
    out = io.BytesIO()
    if name == "HEIF":  # Pillow writes none
        pillow_heif.from_pillow(image).save(out, **options)
    else:
        image.save(out, name, **options)
    return out.getvalue()


def flat_jpeg(width: int, height: int, marker: int = 0xC0) -> bytes:
    """A grey baseline JPEG of any size (in eights) that costs neither time nor memory to make."""
    head = bytearray(encode(Image.new("L", (8, 8), 128), "JPEG"))
    frame, scan = head.index(b"\xff\xc0"), head.index(b"\xff\xda")
    head[frame + 1] = marker
    head[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    blocks = (width // 8) * (height // 8)
    # Of each block: no difference to the one before (00), and no more than that (1010).
    body = b"\x28\xa2\x8a" * (-(-blocks // 4))
    return bytes(head[: scan + 10]) + body + b"\xff\xd9"


def array(image: Image.Image) -> np.ndarray[Any, np.dtype[np.int16]]:
    assert type(image) is Image.Image and image.mode == "RGB" and not image.info
    return np.asarray(image).astype(np.int16)


def png(colour_type: int, depth: int, width: int, rows: list[bytes], *extra: bytes) -> bytes:
    """A hand-made PNG, for variants Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [chunk(b"IHDR", header), *extra, chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def box(kind: bytes, *content: bytes) -> bytes:
    """A box as HEIF and MP4 files are made of."""
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def tiff(tags: dict[int, int], pixels: bytes, offset_tag: int = 273) -> bytes:
    """A hand-made one-strip (or one-tile) little-endian TIFF."""
    tags = {**tags, 259: 1, 277: 1, offset_tag: 0, 279 if offset_tag == 273 else 325: len(pixels)}
    tags[offset_tag] = 8 + 2 + 12 * len(tags) + 4
    body = b"".join(struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + body + bytes(4) + pixels


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
