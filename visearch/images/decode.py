"""The bytes of an uploaded file → one upright RGB picture, or a typed error."""

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

from visearch.errors import ImageTooLarge, UnsupportedImage, excess
from visearch.images.colour import scale_key_colour, to_srgb
from visearch.images.guard import PILLOW_ERRORS, silence_pillow, typed_errors
from visearch.settings import Settings

# Importing a plugin registers it. Pillow imports its other plugins (EPS, WMF, …) only when
# it lacks the one it needs; with all of ours registered here, it never does.
_PLUGINS = (
    JpegImagePlugin.JpegImageFile,
    PngImagePlugin.PngImageFile,
    WebPImagePlugin.WebPImageFile,
    GifImagePlugin.GifImageFile,
    BmpImagePlugin.BmpImageFile,
    TiffImagePlugin.TiffImageFile,
    AvifImagePlugin.AvifImageFile,
)
# Phones write several JPEGs into one file (MPO). Pillow opens those with its JPEG plugin and
# turns them into this class, so it must be imported, but it is not a format of its own.
_MULTI_JPEG = MpoImagePlugin.MpoImageFile

FORMATS: tuple[str, ...] = tuple(str(plugin.format) for plugin in _PLUGINS)
"""Pillow's names for the formats we read; all others are refused."""

MAX_SCANS = 100
"""Most scans a JPEG may have; a progressive one has about ten."""

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
    """The largest picture that is decoded; the defaults are those of :class:`Settings`.

    ``max_bytes`` bounds the file, ``max_pixels`` width times height, ``max_side`` the longer
    side in px.
    """

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
        limits: a larger picture is refused before its pixels are decoded.
        at_least: shortest side (px) that the caller needs. A larger JPEG is then decoded at
            1/2, 1/4 or 1/8 scale, never below ``at_least``; other formats ignore it.

    Returns:
        A loaded picture in mode ``RGB``, without metadata or an open file.

    Raises:
        UnsupportedImage: empty, not an accepted format, or a variant we cannot decode.
        ImageTooLarge: beyond ``limits``, or beyond the memory this process may use.
        ImageCorrupt: truncated or broken.
        ValueError: ``at_least`` is below 1.
    """
    if at_least is not None and at_least < 1:
        raise ValueError(f"at_least must be 1 or more, not {at_least}")
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
        raise UnsupportedImage(f"The file is empty. Send a {_ACCEPTED} picture.")
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(
            f"The picture file has {excess(len(data), limits.max_bytes, 'bytes')}. "
            "Send a smaller copy."
        )


def _check_scans(name: str, data: bytes) -> None:
    # Every scan of a progressive JPEG costs a pass over all pixels, however few bytes it has.
    # Inside a scan FF bytes are always escaped, so counting the marker's bytes counts scans.
    scans = data.count(b"\xff\xda") if name == "JPEG" else 0
    if scans > MAX_SCANS:
        raise ImageTooLarge(
            f"The JPEG picture has {scans:,} scans; the limit is {MAX_SCANS}. Save it again with "
            "a common image editor."
        )


def _container(data: bytes) -> str:
    for name in FORMATS:
        accepts = Image.OPEN[name][1]
        # A string (also true) means: this is my format, but Pillow was built without it.
        if accepts is not None and accepts(data[:16]):
            return name
    raise UnsupportedImage(
        f"The file is not a {_ACCEPTED} picture. Convert it to one of these formats."
    )


def _open(name: str, data: bytes) -> ImageFile:
    try:
        return Image.open(io.BytesIO(data), formats=(name,))
    except UnidentifiedImageError:
        # Image.open hides the plugin's reason. Call the plugin again to learn it: the reason
        # tells a broken file from a variant that we cannot read.
        Image.OPEN[name][0](io.BytesIO(data), "")
        raise


def _check_size(image: ImageFile, limits: Limits) -> None:
    width, height = image.size
    if max(width, height) > limits.max_side:
        raise ImageTooLarge(
            f"The picture is {width:,} x {height:,} pixels; no side may be longer than "
            f"{limits.max_side:,}. Send a smaller copy."
        )
    if width * height > limits.max_pixels:
        raise ImageTooLarge(
            f"The picture has {excess(width * height, limits.max_pixels, 'pixels')}. "
            "Send a smaller copy."
        )
    tile = _tile_pixels(image)
    if tile > limits.max_pixels:
        raise ImageTooLarge(
            f"The TIFF picture is stored in tiles of {excess(tile, limits.max_pixels, 'pixels')}. "
            "Save it without tiles."
        )


def _tile_pixels(image: ImageFile) -> int:
    # libtiff allocates a whole tile, however small the picture itself claims to be.
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
    # Read after load(): a PNG may store its EXIF behind the pixels, and Pillow has turned a
    # TIFF upright by then and removed its orientation.
    return to_srgb(image), _orientation(image)


def _orientation(image: ImageFile) -> int:
    try:
        return int(image.getexif().get(Base.Orientation, 1))
    except PILLOW_ERRORS:
        # The pixels are complete. With broken metadata viewers assume an upright picture, and
        # so do we.
        return 1
