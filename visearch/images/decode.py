"""The bytes of an uploaded file → one upright RGB picture, or a typed error."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image
from PIL.ExifTags import Base
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TILELENGTH, TILEWIDTH, TiffImageFile

from visearch.errors import ImageTooLarge, excess
from visearch.images import heif, jpeg, png
from visearch.images.colour import scale_key_colour, to_srgb
from visearch.images.formats import PLUGINS, recognise
from visearch.images.guard import PILLOW_ERRORS, silence_pillow, typed_errors
from visearch.settings import Settings

_SCALES = (1, 2, 4, 8)  # a JPEG can be decoded at one part in so many of its size

_BUFFERED = 2
"""A JPEG of several scans is kept whole while it is decoded, at any scale. So it may have only so
many times the pixels that a picture may have."""

_STORED = "stored_pixels"  # of a HEIF, in the info of the opened file

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
    side in px. Both of these are about what is decoded: a larger JPEG is decoded smaller.
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

    def allow(self, width: int, height: int) -> bool:
        """Tell whether a picture of this size may be decoded."""
        return max(width, height) <= self.max_side and width * height <= self.max_pixels


_DEFAULT_LIMITS = Limits()


def decode(
    data: bytes, limits: Limits = _DEFAULT_LIMITS, *, at_least: int | None = None
) -> Image.Image:
    """Decode the still, or the first frame, of ``data`` to an upright, opaque sRGB picture.

    Args:
        data: the whole file.
        limits: a larger picture is refused before its pixels are decoded. A JPEG is decoded at
            1/2, 1/4 or 1/8 scale instead, if that is within them.
        at_least: shortest side (px) that the caller needs. A larger JPEG is then decoded at
            1/2, 1/4 or 1/8 scale, not below ``at_least`` unless the limits ask for it; other
            formats ignore it.

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
    name = recognise(data)
    _check_bytes(name, data, limits)
    silence_pillow()
    scans = jpeg.count_scans(data) if name == "JPEG" else 0
    _check_scans(scans)
    with typed_errors(name, limits.max_pixels):
        image = _open(name, data)
        _reduce(image, scans, limits, at_least)
    _check_size(image, limits)
    with typed_errors(name, limits.max_pixels):
        rgb, orientation = _load(image)
    turn = _ROTATIONS.get(orientation)
    return rgb if turn is None else rgb.transpose(turn)


def _check_bytes(name: str, data: bytes, limits: Limits) -> None:
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(
            f"The {name} file has {excess(len(data), limits.max_bytes, 'bytes')}. "
            "Send a smaller copy."
        )


def _check_scans(scans: int) -> None:
    if scans > jpeg.MAX_SCANS:
        raise ImageTooLarge(
            f"The JPEG picture has more than {jpeg.MAX_SCANS} scans. Save it again with a common "
            "image editor."
        )


def _open(name: str, data: bytes) -> ImageFile:
    """Open the file, without the metadata that cost more pictures than it helps."""
    more: dict[str | tuple[int, int], object] = {}
    if name == "JPEG":
        data = jpeg.lean(data)
    elif name == "PNG":
        data, profile = png.lean(data)
        more["icc_profile"] = profile
    elif name == "HEIF":
        data = heif.still(data)
        more[_STORED] = heif.largest_picture(data)
    # Not Image.open: it would look for more than a picture in a JPEG of several (MPO), and hides
    # the reason that tells a broken file from a variant that we cannot read.
    image = PLUGINS[name](io.BytesIO(data))
    image.info.update(more)
    return image


def _reduce(image: ImageFile, scans: int, limits: Limits, at_least: int | None) -> None:
    """Let a JPEG be decoded smaller if the limits ask for it, or the caller needs no more."""
    if image.format != "JPEG":
        return
    width, height = image.size
    if scans > 1 and width * height > _BUFFERED * limits.max_pixels:
        return
    allowed = (s for s in _SCALES if limits.allow(-(-width // s), -(-height // s)))
    scale = next(allowed, 1)
    if at_least is not None:
        enough = max(s for s in _SCALES if s == 1 or min(width, height) // s >= at_least)
        scale = max(scale, enough)
    if scale > 1:
        image.draft(None, (max(1, width // scale), max(1, height // scale)))


def _check_size(image: ImageFile, limits: Limits) -> None:
    name, (width, height) = image.format, image.size
    if max(width, height) > limits.max_side:
        raise ImageTooLarge(
            f"The {name} picture is {width:,} x {height:,} pixels; no side may be longer than "
            f"{limits.max_side:,}. Send a smaller copy."
        )
    if width * height > limits.max_pixels:
        raise ImageTooLarge(
            f"The {name} picture has {excess(width * height, limits.max_pixels, 'pixels')}. "
            "Send a smaller copy."
        )
    stored = _stored_pixels(image)
    if stored > limits.max_pixels:
        how = "stored in tiles of" if name == "TIFF" else "cut from one of"
        raise ImageTooLarge(
            f"The {name} picture is {how} {excess(stored, limits.max_pixels, 'pixels')}. "
            "Save it as an ordinary JPEG or PNG."
        )


def _stored_pixels(image: ImageFile) -> int:
    # What is decoded, however small the picture itself claims to be: libtiff allocates a whole
    # tile, and libheif what a crop is cut from.
    if isinstance(image, TiffImageFile):
        width, height = image.tag_v2.get(TILEWIDTH), image.tag_v2.get(TILELENGTH)
        return width * height if isinstance(width, int) and isinstance(height, int) else 0
    return int(image.info.get(_STORED, 0))


def _load(image: ImageFile) -> tuple[Image.Image, int]:
    scale_key_colour(image)
    image.load()
    # Read after load(): a PNG may store its EXIF behind the pixels, and Pillow has turned a
    # TIFF upright by then and removed its orientation.
    return to_srgb(image), _orientation(image)


def _orientation(image: ImageFile) -> int:
    try:  # of HEIF, the decoder has turned the pixels and reset the tag
        return int(image.getexif().get(Base.Orientation, 1))
    except PILLOW_ERRORS:
        # The pixels are complete. With broken metadata viewers assume an upright picture, and
        # so do we.
        return 1
