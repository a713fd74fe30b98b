"""An upright RGB picture → what an encoder or a person sees: pixels, crops, thumbnails."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from visearch.errors import InvalidRequest

Fit = Literal["pad", "crop", "stretch"]
Box = tuple[float, float, float, float]

THUMBNAIL_SIDE = 320
_REDUCING_GAP = 3.0  # says Pillow: looks like a full resampling, several times faster
_DENOISE = "none"
"""A field of the stored form and of the identity that has one value left. Both keep it, so that
the fingerprints of encoders and catalogs stay as they are.
"""


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """How a picture becomes the ``size`` x ``size`` input of one encoder.

    ``fit`` says what happens to a picture that is not square: ``pad`` puts all of it on
    white, ``crop`` keeps the centre, ``stretch`` distorts. ``mean`` and ``std`` (RGB, on a
    0..1 scale) are carried for the encoder, which applies them as
    ``(pixels / 255 - mean) / std``.

    Raises:
        ValueError: a field is out of its range.
    """

    # Increase it whenever the output of pixels() changes: vectors of two versions must never
    # be compared.
    VERSION: ClassVar[int] = 1

    size: int
    fit: Fit
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        if type(self.size) is not int or self.size < 1:
            raise ValueError(f"size must be a whole number of pixels, 1 or more, not {self.size!r}")
        if self.fit not in get_args(Fit):
            raise ValueError(f"fit must be one of {get_args(Fit)}, not {self.fit!r}")
        object.__setattr__(self, "mean", _triple("mean", self.mean))
        object.__setattr__(self, "std", _triple("std", self.std))
        if min(self.std) <= 0:
            raise ValueError(f"std must be above 0, not {self.std!r}")

    @property
    def at_least(self) -> int:
        """Shortest side (px) to decode at; the same for queries and for catalog pictures."""
        return max(self.size, THUMBNAIL_SIDE)

    def pixels(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """Resize and fit a mode ``RGB`` picture.

        Returns:
            uint8 ``[size, size, 3]``, C-contiguous, writeable, values 0..255.

        Raises:
            ValueError: the picture is not of mode ``RGB``.
        """
        if image.mode != "RGB":
            raise ValueError(
                f"the picture must have mode RGB, as decode() returns, not {image.mode}"
            )
        target, box = self._geometry(*image.size)
        small = image.resize(target, Image.Resampling.BICUBIC, box, _REDUCING_GAP)
        return np.array(self._centred(small), dtype=np.uint8)

    def _geometry(self, width: int, height: int) -> tuple[tuple[int, int], Box]:
        """Return the size to resample to (px) and the part of the picture to resample (px)."""
        whole = (0.0, 0.0, float(width), float(height))
        if self.fit == "pad":
            scale = self.size / max(width, height)
            return (max(1, round(width * scale)), max(1, round(height * scale))), whole
        if self.fit == "crop":
            # The square is cut while resampling: a 1 x 10000 picture enlarged to
            # 224 x 2240000 first would exhaust the memory.
            side = min(width, height)
            left, top = (width - side) / 2, (height - side) / 2
            return (self.size, self.size), (left, top, left + side, top + side)
        return (self.size, self.size), whole

    def _centred(self, image: Image.Image) -> Image.Image:
        if image.size == (self.size, self.size):
            return image
        canvas = Image.new("RGB", (self.size, self.size), "white")
        canvas.paste(image, ((self.size - image.width) // 2, (self.size - image.height) // 2))
        return canvas

    def identity(self) -> str:
        """Return every field and the version as stable text, for an encoder's fingerprint."""
        named = ",".join(f"{f.name}={getattr(self, f.name)!r}" for f in fields(self))
        return f"preprocess-v{self.VERSION}({named},denoise={_DENOISE!r})"

    def to_dict(self) -> dict[str, Any]:
        """Return every field, the ``version`` and ``denoise``, ready for JSON."""
        return {"version": self.VERSION, **asdict(self), "denoise": _DENOISE}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Preprocess:
        """Build it from what :meth:`to_dict` returned; triples may be lists, as in JSON.

        Raises:
            ValueError: a key is missing or unknown, the version is not ours, ``denoise``
                is not ``"none"``, or a value is out of its range.
        """
        names = [f.name for f in fields(cls)]
        known = {"version", "denoise", *names}
        if missing := sorted(known - set(data)):
            raise ValueError(f"preprocess lacks {', '.join(missing)}")
        if unknown := sorted(set(data) - known):
            raise ValueError(f"preprocess has unknown {', '.join(unknown)}")
        if data["version"] != cls.VERSION:
            raise ValueError(f"preprocess version is {data['version']}, not {cls.VERSION}")
        if data["denoise"] != _DENOISE:
            raise ValueError(f"preprocess denoise is {data['denoise']!r}, not {_DENOISE!r}")
        return cls(**{name: data[name] for name in names})


def _triple(name: str, values: Any) -> tuple[float, float, float]:
    if not isinstance(values, (tuple, list)) or len(values) != 3:
        raise ValueError(f"{name} must be three numbers, not {values!r}")
    red, green, blue = (float(value) for value in values)
    if not all(map(math.isfinite, (red, green, blue))):
        raise ValueError(f"{name} must be finite, not {values!r}")
    return red, green, blue


def crop_box(image: Image.Image, box: Box) -> Image.Image:
    """Crop a picture to ``(x0, y0, x1, y1)``, given as fractions of the upright picture.

    Raises:
        InvalidRequest: not ``0 <= x0 < x1 <= 1`` (same for y), or a side under one pixel.
    """
    x0, y0, x1, y1 = box
    # NaN fails every comparison and is refused here, too.
    if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
        raise _bad_box(
            f"The box {list(box)} is not inside the picture. Send x0, y0, x1, y1 "
            "with 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1."
        )
    left, top, right, bottom = (
        x0 * image.width,
        y0 * image.height,
        x1 * image.width,
        y1 * image.height,
    )
    if right - left < 1 - 1e-9 or bottom - top < 1 - 1e-9:  # 0.3 - 0.2 is a hair short of 0.1
        raise _bad_box(
            f"The box covers {right - left:.2f} x {bottom - top:.2f} of the picture's "
            f"{image.width:,} x {image.height:,} pixels. Make it at least one pixel wide "
            "and high."
        )
    x, y = math.floor(left + 0.5), math.floor(top + 0.5)
    return image.crop(
        (x, y, max(x + 1, math.floor(right + 0.5)), max(y + 1, math.floor(bottom + 0.5)))
    )


def _bad_box(detail: str) -> InvalidRequest:
    return InvalidRequest(detail, (("/box", detail),))


def thumbnail(image: Image.Image, side: int = THUMBNAIL_SIDE) -> bytes:
    """Return a small progressive JPEG (quality 85, no metadata).

    Its longest side is ``side`` px; a smaller picture keeps its size. The same picture
    always gives the same bytes.

    Raises:
        ValueError: ``side`` is below 1.
    """
    if side < 1:
        raise ValueError(f"side must be 1 or more, not {side}")
    scale = min(1.0, side / max(image.size))
    target = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = image.convert("RGB").resize(
        target, Image.Resampling.BICUBIC, reducing_gap=_REDUCING_GAP
    )
    small.info.clear()  # Pillow would write any profile or comment found here
    out = io.BytesIO()
    small.save(out, "JPEG", quality=85, progressive=True, optimize=True)
    return out.getvalue()
