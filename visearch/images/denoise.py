"""Impulse noise ("salt and pepper") in a query picture: found, and removed where it is found.

A switching median (Sun and Neuvo 1994, "Detail-preserving median based filters in image
processing", Pattern Recognition Letters 15): only the pixels that are impulses become the
median of their neighbourhood. A picture without the noise stays as it is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

MAX_PIXELS = 1_000_000
"""A larger picture is left alone: to bring it down to an encoder's size averages some 20 pixels
or more into one, which leaves little of the noise.
"""

_EXTREME = 15  # grey levels: an impulse is this near to black or white,
_STEP = 96  # and differs by more than this from the median around it
_SHARE = 0.005  # of impulses, above which a picture is noisy; measured in docs/evaluation.md

_SPIKES = 0.4 * _SHARE  # not every impulse is a spike: see has_spikes()

_WINDOW = 128
"""Side (px) of the middle part that is looked at: a search pays for no more, unless it is noisy."""

_AT_A_TIME = 1 << 16  # values filtered together: their nine copies stay in a core's cache

# Compare and exchange these pairs of nine values in turn, and the median ends up in the middle
# (Devillard 1998, "Fast median search: an ANSI C implementation", after Paeth 1990, Graphics
# Gems). On whole planes this takes about a tenth of the time of Pillow's MedianFilter.
_EXCHANGES = (
    (1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3),
    (5, 8), (4, 7), (3, 6), (1, 4), (2, 5), (4, 7), (4, 2), (6, 4), (4, 2),
)  # fmt: skip


def denoised(image: Image.Image) -> Image.Image:
    """Remove impulse noise from a mode ``RGB`` picture.

    Returns:
        A new picture, or ``image`` itself where no noise is found or it is larger than
        ``MAX_PIXELS``.
    """
    if image.width * image.height > MAX_PIXELS:
        return image
    pixels = np.asarray(image)
    middle = _middle(pixels)
    if not has_spikes(middle) or not is_noisy(*outliers(middle, median3(middle))):
        return image
    median = median3(pixels)
    _, impulses = outliers(pixels, median)
    return Image.fromarray(np.where(impulses[..., None], median, pixels))


def _middle(pixels: Pixels) -> Pixels:
    top, left = (max(0, (side - _WINDOW) // 2) for side in pixels.shape[:2])
    return pixels[top : top + _WINDOW, left : left + _WINDOW]


def has_spikes(pixels: Pixels) -> bool:
    """Tell whether enough pixels differ from both neighbours in their row to be worth a median.

    Takes uint8 [h, w, 3]. An impulse does so unless another one is beside it. The median takes
    ten times as long, and nearly no clean picture needs it.
    """
    here, left, right = pixels[:, 1:-1], pixels[:, :-2], pixels[:, 2:]
    spikes = _in_any_channel(_is_far(here, left) & _is_far(here, right))
    return int(spikes.sum()) > _SPIKES * spikes.size


def median3(pixels: Pixels) -> Pixels:
    """Return the median of each 3 x 3 neighbourhood, channel by channel.

    Takes and returns uint8 [h, w, 3]. Beyond the border the outermost pixels are repeated.
    """
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    median = np.empty_like(pixels)
    step = max(1, _AT_A_TIME // pixels[0].size)
    for top in range(0, height, step):
        rows = min(step, height - top)
        band = padded[top : top + rows + 2]
        planes = [band[y : y + rows, x : x + width].copy() for y in range(3) for x in range(3)]
        spare = np.empty_like(planes[0])
        for low, high in _EXCHANGES:
            np.minimum(planes[low], planes[high], out=spare)
            np.maximum(planes[low], planes[high], out=planes[high])
            planes[low], spare = spare, planes[low]
        median[top : top + rows] = planes[4]
    return median


def outliers(pixels: Pixels, median: Pixels) -> tuple[Mask, Mask]:
    """Tell which pixels have a channel far from the median, and which have one that is an impulse.

    Takes the pixels and what :func:`median3` makes of them, uint8 [h, w, 3]; returns bool
    [h, w] twice. Every impulse is far from the median.
    """
    far = _is_far(pixels, median)
    # Unsigned numbers wrap: what is nearly black lands above what is nearly white.
    extreme = pixels - np.uint8(_EXTREME + 1) >= np.uint8(255 - 2 * _EXTREME - 1)
    return _in_any_channel(far), _in_any_channel(far & extreme)


def is_noisy(far: Mask, impulses: Mask) -> bool:
    """Tell whether a picture has impulse noise, by what :func:`outliers` found in it.

    Strong sensor noise and fine prints have outliers too, but few of those are extreme.
    """
    count = int(impulses.sum())
    return count > _SHARE * impulses.size and 2 * count > int(far.sum())


def _is_far(one: Pixels, other: Pixels) -> Mask:
    return np.asarray(np.maximum(one, other) - np.minimum(one, other) > _STEP)


def _in_any_channel(values: Mask) -> Mask:
    red, green, blue = np.moveaxis(values, -1, 0)  # many times as fast as any(axis=2)
    return np.asarray(red | green | blue)
