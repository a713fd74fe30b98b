"""What an encoder's pixels are made of: a stranger's bytes, and an order that says how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from visearch.images.decode import Limits, decode
from visearch.images.denoise import denoised
from visearch.images.edit import edit
from visearch.images.preprocess import Box, Preprocess, crop_box, thumbnail

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Order:
    """How one picture becomes the input of an encoder.

    ``box`` is cut out first; ``denoise`` removes impulse noise where there is some; ``edits``
    seeds the changes that a shopper's photo would have, None for none.
    """

    preprocess: Preprocess
    box: Box | None = None
    denoise: bool = False
    edits: int | None = None

    def fulfil(self, data: bytes, limits: Limits) -> Pixels:
        """Return the pixels of the picture in ``data``, uint8 [size, size, 3].

        Raises:
            ImageError: the picture cannot be used.
            InvalidRequest: the box is malformed.
        """
        if self.edits is not None:
            data = edit(decode(data, limits), np.random.default_rng(self.edits))
        # With a box the cut decides how many pixels are needed: decode in full.
        image = decode(data, limits, at_least=None if self.box else self.preprocess.at_least)
        if self.box:
            image = crop_box(image, self.box)
        if self.denoise:
            image = denoised(image)
        return self.preprocess.pixels(image)

    def to_dict(self) -> dict[str, Any]:
        """Return every field, ready for JSON."""
        return {**asdict(self), "preprocess": self.preprocess.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Order:
        """Build it from what :meth:`to_dict` returned, JSON in between or not."""
        box = data["box"] and tuple(data["box"])
        return cls(**{**data, "box": box, "preprocess": Preprocess.from_dict(data["preprocess"])})


@dataclass(frozen=True)
class Copy:
    """How one picture becomes a small upright JPEG without metadata, no side above ``side`` px."""

    side: int

    def fulfil(self, data: bytes, limits: Limits) -> bytes:
        """Return the copy of the picture in ``data``; raises ImageError if it cannot be used."""
        return thumbnail(decode(data, limits, at_least=self.side), self.side)


class Decoders(Protocol):
    """Decodes strangers' pictures for the threads of one process."""

    def start(self) -> None:
        """Make ready whatever is needed, so that no picture waits for it."""

    def pixels(self, data: bytes, order: Order, within_s: float) -> Pixels:
        """Return what ``order`` makes of the picture in ``data``, uint8 [size, size, 3].

        Raises:
            ImageError: the picture cannot be used.
            InvalidRequest: the box is malformed.
            TimeoutError: the picture's turn did not come, or did not end, within ``within_s``.
        """

    def copy(self, data: bytes, order: Copy, within_s: float) -> bytes:
        """Return a small JPEG of the picture in ``data``; raises as ``pixels`` does."""


class DecodersHere:
    """Decodes in the caller's own thread and process, with no limit but those on the picture."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def start(self) -> None:
        """Do nothing: there is nothing to wait for."""

    def pixels(self, data: bytes, order: Order, within_s: float) -> Pixels:
        """See :class:`Decoders`; takes as long as it takes."""
        return order.fulfil(data, self._limits)

    def copy(self, data: bytes, order: Copy, within_s: float) -> bytes:
        """See :class:`Decoders`; takes as long as it takes."""
        return order.fulfil(data, self._limits)
