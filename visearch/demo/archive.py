"""The demo catalog as a merchant would send it: a zip of pictures and a manifest."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

from PIL import Image

from visearch.demo.draw import DemoProduct, products

COLUMNS = ("id", "image", "title", "kind", "colour", "pattern", "price", "picture")
_OLDEST = (1980, 1, 1, 0, 0, 0)  # the oldest time in a zip; with a clock no two would be equal


def jpeg(picture: Image.Image, quality: int = 88) -> bytes:
    """Return the picture as JPEG; the same picture gives the same bytes."""
    buffer = io.BytesIO()
    # The prints are fine and bright: subsampled colour would smear them.
    subsampling = "4:4:4" if quality > 80 else "4:2:0"
    picture.save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, name: str, data: bytes, method: int) -> None:
    member = zipfile.ZipInfo(name, _OLDEST)
    member.compress_type = method
    member.create_system = 3
    member.external_attr = 0o644 << 16
    archive.writestr(member, data)


def _add_pictures(archive: zipfile.ZipFile, product: DemoProduct) -> str:
    names = [f"pictures/{product.id}-{view}.jpg" for view in range(1, len(product.views) + 1)]
    for name, picture in zip(names, product.views, strict=True):
        _add(archive, name, jpeg(picture), zipfile.ZIP_STORED)
    return "|".join(names)


def _write(archive: zipfile.ZipFile, count: int, seed: int) -> None:
    rows = io.StringIO(newline="")
    manifest = csv.DictWriter(rows, COLUMNS, lineterminator="\n")
    manifest.writeheader()
    for product in products(count, seed):
        images = _add_pictures(archive, product)
        row = {"id": product.id, "image": images, "title": product.title}
        manifest.writerow(row | product.attributes)
    _add(archive, "manifest.csv", rows.getvalue().encode(), zipfile.ZIP_DEFLATED)


def write_archive(path: str | Path, count: int = 300, seed: int = 7) -> None:
    """Write a catalog of ``count`` products to ``path``, a zip that can be imported.

    ``manifest.csv`` has the columns ``COLUMNS``; the views of a product are joined with
    ``|``. With one version of Pillow, the same arguments give the same bytes. The file
    appears whole or not at all.

    Raises:
        ValueError: ``count`` is not in 0 … ``CAPACITY``.
        OSError: the file cannot be written.
    """
    whole = Path(path)
    part = whole.with_name(whole.name + ".part")
    try:
        with zipfile.ZipFile(part, "w") as archive:
            _write(archive, count, seed)
        part.replace(whole)
    finally:
        part.unlink(missing_ok=True)
