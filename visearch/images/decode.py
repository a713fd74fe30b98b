"""Bytes of an uploaded file → one upright RGB picture, or a typed error."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)
from PIL.ExifTags import Base
from PIL.ImageFile import ImageFile

from visearch.errors import ImageTooLarge, UnsupportedImage
from visearch.images.colour import scale_key_colour, to_srgb
from visearch.images.guard import PILLOW_ERRORS, silence_pillow, typed_errors
from visearch.settings import Settings

# Importing a plugin registers it. Because all of ours are registered here, Pillow never
# has a reason to import the rest (EPS, WMF, …) on our behalf.
_PLUGINS = (
    JpegImagePlugin.JpegImageFile,
    PngImagePlugin.PngImageFile,
    WebPImagePlugin.WebPImageFile,
    GifImagePlugin.GifImageFile,
    BmpImagePlugin.BmpImageFile,
    TiffImagePlugin.TiffImageFile,
    AvifImagePlugin.AvifImageFile,
)
# Phones write several JPEGs in one file (MPO); Pillow opens those through its JPEG plugin
# and turns them into this class, so it must be importable but is no format of its own.
_MULTI_JPEG = MpoImagePlugin.MpoImageFile

FORMATS: tuple[str, ...] = tuple(str(plugin.format) for plugin in _PLUGINS)
"""Pillow's names of the formats we read; everything else is refused."""

MAX_SCANS = 100
"""A progressive JPEG has about ten."""

_ACCEPTED = "JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF"

_ROTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Limits:
    """What one picture may cost; the defaults are those of :class:`Settings`."""

    max_bytes: int = Settings.max_image_bytes
    max_pixels: int = Settings.max_image_pixels
    max_side: int = Settings.max_image_side

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Return the limits that the settings state."""
        return cls(
            max_bytes=settings.max_image_bytes,
            max_pixels=settings.max_image_pixels,
            max_side=settings.max_image_side,
        )


_DEFAULT_LIMITS = Limits()


def decode(
    data: bytes, limits: Limits = _DEFAULT_LIMITS, *, at_least: int | None = None
) -> Image.Image:
    """Decode the first frame of ``data`` to an upright, opaque sRGB picture.

    Args:
        data: the whole file.
        limits: bytes, pixels and side (px) above which the file is refused unread.
        at_least: shortest side (px) the caller needs. A larger JPEG is then decoded at
            1/2, 1/4 or 1/8 scale, never below ``at_least``; other formats ignore it.

    Returns:
        A loaded picture of mode ``RGB`` without metadata and without a file behind it.

    Raises:
        UnsupportedImage: empty, not an allowed format, or a variant we cannot decode.
        ImageTooLarge: above ``limits``, or above the memory this process may use.
        ImageCorrupt: truncated or broken.
        ValueError: ``at_least`` is below 1.
    """
    if at_least is not None and at_least < 1:
        raise ValueError(f"at_least is {at_least}; it must be 1 or more")
    _check_bytes(data, limits)
    name = _container(data)
    _check_scans(name, data)
    silence_pillow()
    with typed_errors(name, limits.max_pixels):
        image = _open(name, data)
    _check_size(image, limits)
    with typed_errors(name, limits.max_pixels):
        rgb, orientation = _load(image, at_least)
    turn = _ROTATIONS.get(orientation)
    return rgb if turn is None else rgb.transpose(turn)


def _check_bytes(data: bytes, limits: Limits) -> None:
    if not data:
        raise UnsupportedImage(f"The file is empty (0 bytes); send a {_ACCEPTED} picture.")
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(
            f"The picture file has {len(data):,} bytes and the limit is "
            f"{limits.max_bytes:,}; save it smaller or with stronger compression."
        )


def _check_scans(name: str, data: bytes) -> None:
    # Every scan of a progressive JPEG costs a pass over all pixels, however few bytes it has.
    # Within a scan the byte FF is always escaped, so the marker is found by its bytes alone.
    scans = data.count(b"\xff\xda") if name == "JPEG" else 0
    if scans > MAX_SCANS:
        raise ImageTooLarge(
            f"The JPEG picture is stored in {scans:,} scans and the limit is {MAX_SCANS}; "
            "save it again with a usual program."
        )


def _container(data: bytes) -> str:
    for name in FORMATS:
        accepts = Image.OPEN[name][1]
        # A text answer means "this is mine, but support is not compiled in".
        if accepts is not None and accepts(data[:16]):
            return name
    raise UnsupportedImage(
        f"The file ({len(data):,} bytes) is not a {_ACCEPTED} picture; convert it to one "
        "of these and send it again."
    )


def _open(name: str, data: bytes) -> ImageFile:
    try:
        return Image.open(io.BytesIO(data), formats=(name,))
    except UnidentifiedImageError:
        # Image.open keeps the plugin's reason to itself; ask the plugin again, because the
        # reason is what separates a broken file from a variant we cannot read.
        Image.OPEN[name][0](io.BytesIO(data), "")
        raise


def _check_size(image: ImageFile, limits: Limits) -> None:
    width, height = image.size
    if max(width, height) > limits.max_side:
        raise ImageTooLarge(
            f"The picture is {width:,} x {height:,} pixels and the longest side allowed is "
            f"{limits.max_side:,}; make it smaller and send it again."
        )
    if width * height > limits.max_pixels:
        raise ImageTooLarge(
            f"The picture has {width * height:,} pixels and the limit is "
            f"{limits.max_pixels:,}; make it smaller and send it again."
        )
    tile = _tile_pixels(image)
    if tile > limits.max_pixels:
        raise ImageTooLarge(
            f"The TIFF picture is stored in tiles of {tile:,} pixels and the limit is "
            f"{limits.max_pixels:,}; save it without tiles and send it again."
        )


def _tile_pixels(image: ImageFile) -> int:
    # libtiff allocates one whole tile, however small the picture itself says it is.
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return 0
    width = image.tag_v2.get(TiffImagePlugin.TILEWIDTH)
    height = image.tag_v2.get(TiffImagePlugin.TILELENGTH)
    return width * height if isinstance(width, int) and isinstance(height, int) else 0


def _load(image: ImageFile, at_least: int | None) -> tuple[Image.Image, int]:
    if at_least is not None:
        image.draft(None, (at_least, at_least))
    scale_key_colour(image)
    image.load()
    # After load(): a PNG may carry its EXIF behind the pixels, and a TIFF has turned
    # itself by then and says so.
    return to_srgb(image), _orientation(image)


def _orientation(image: ImageFile) -> int:
    try:
        return int(image.getexif().get(Base.Orientation, 1))
    except PILLOW_ERRORS:
        # The pixels are complete; a picture is worth more than its broken metadata, and
        # "stored upright" is what viewers assume then.
        return 1
