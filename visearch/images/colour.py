"""Any picture that Pillow can load → the same picture in opaque 8-bit sRGB."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, TiffImageFile

_GREY = ("1", "L", "LA", "La")
_WIDE = ("I", "F")

# Colour space of an ICC profile → the Pillow mode it applies to.
_PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}

# How Pillow scales these PNG samples to 8 bits: (factor, right shift).
_KEY_SCALE = {"L;2": (85, 0), "L;4": (17, 0), "RGB;16B": (1, 8)}

_ROWS = 256  # rows of a deep picture converted at a time, which bounds the scratch memory


def scale_key_colour(image: ImageFile) -> None:
    """Scale a PNG's transparent colour (tRNS) to the 8 bits that its pixels will have.

    Pillow scales the pixels of 2, 4 and 16-bit PNGs but not the transparent colour, which
    would then match nothing. Call this before ``load``, while the stored depth is known.
    """
    key = image.info.get("transparency")
    raw = image.tile[0].args if image.format == "PNG" and image.tile else None
    if key is None or not isinstance(raw, str) or raw not in _KEY_SCALE:
        return
    factor, shift = _KEY_SCALE[raw]
    parts = [min(255, (part * factor) >> shift) for part in np.atleast_1d(key).tolist()]
    image.info["transparency"] = tuple(parts) if len(parts) > 1 else parts[0]


def to_srgb(image: ImageFile) -> Image.Image:
    """Convert a loaded picture to mode ``RGB``: profile applied, alpha over white.

    Returns:
        A new picture of the same size, without metadata.
    """
    colour, alpha = _split(image)
    rgb = _apply_profile(colour, image.info.get("icc_profile"))
    if alpha is not None:
        canvas = Image.new("RGB", rgb.size, "white")
        canvas.paste(rgb, mask=alpha)
        rgb = canvas
    elif isinstance(rgb, ImageFile):
        rgb = rgb.copy()  # an ImageFile drags its parser and metadata along
    rgb.info.clear()
    return rgb


def _split(image: ImageFile) -> tuple[Image.Image, Image.Image | None]:
    """Return the colours as ``L``, ``RGB`` or ``CMYK``, and the alpha, if any, as ``L``."""
    if image.mode.startswith("I;16") or image.mode in _WIDE:
        return _split_deep(image)
    if image.has_transparency_data:
        grey = image.mode in _GREY
        full = image.convert("LA" if grey else "RGBA")
        return full.convert("L" if grey else "RGB"), full.getchannel("A")
    if image.mode in ("L", "RGB", "CMYK"):
        return image, None
    return image.convert("L" if image.mode == "1" else "RGB"), None


def _split_deep(image: ImageFile) -> tuple[Image.Image, Image.Image | None]:
    # Pillow's own conversion of these modes clips at 255: all but the darkest 16-bit
    # pixels would turn white.
    values = np.asarray(image)
    tags: Any = image.tag_v2 if isinstance(image, TiffImageFile) else {}
    if image.mode in _WIDE:
        grey = _spread(values, (1, 255, 65535) if image.mode == "F" else (255, 65535))
    else:
        bits = 12 if tags.get(BITSPERSAMPLE) == (12,) else 16
        grey = (values >> (bits - 8)).astype(np.uint8)
    if tags.get(PHOTOMETRIC_INTERPRETATION) == 0:  # zero is white; Pillow does not invert it
        grey = 255 - grey
    key = image.info.get("transparency")
    alpha = None
    if isinstance(key, int):
        alpha = Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8))
    return Image.fromarray(grey), alpha


def _spread(values: npt.NDArray[Any], tops: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Map numbers without a declared range to 0..255.

    The range ends at the first of ``tops`` that no value exceeds (floats up to 1, or 8 or
    16-bit numbers in a wider type). If there is none, the darkest value becomes black and
    the brightest white. NaN becomes black.
    """
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if low >= 0 and high <= tops[-1]:
        low, high = 0.0, float(next(top for top in tops if high <= top))
    scale = 255 / (high - low) if high > low else 0.0
    grey = np.empty(values.shape, np.uint8)
    for top in range(0, len(values), _ROWS):
        block = np.nan_to_num(values[top : top + _ROWS].astype(np.float64), nan=low)
        grey[top : top + _ROWS] = np.rint((block.clip(low, high) - low) * scale)
    return grey


def _apply_profile(image: Image.Image, icc: object) -> Image.Image:
    if isinstance(icc, bytes) and icc:
        try:
            return _convert(image, icc)
        except (ImageCms.PyCMSError, OSError, ValueError):
            # The pixels are complete; without a usable profile the colours are slightly
            # off, as in any viewer. That is no reason to refuse the picture.
            pass
    return image.convert("RGB") if image.mode != "RGB" else image


def _convert(image: Image.Image, icc: bytes) -> Image.Image:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    mode = _PROFILE_MODES.get(profile.profile.xcolor_space.strip())
    if mode == "RGB" and image.mode == "L":
        image = image.convert("RGB")
    if mode != image.mode:
        raise ValueError("the profile is for another colour space than the pixels")
    # Built for each picture, in milliseconds, so that threads share nothing.
    transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")
    if mode == "RGB" and _is_identity(transform):
        return image
    return transform.apply(image)


def _is_identity(transform: ImageCms.ImageCmsTransform) -> bool:
    """Tell whether sample colours pass unchanged: most embedded profiles *are* sRGB."""
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    after = np.asarray(transform.apply(Image.fromarray(grid)))
    return bool(np.abs(after.astype(np.int16) - grid).max() <= 1)
