"""What importing and reindexing need of an encoder; the caller decides how to open it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt


class PixelEncoder(Protocol):
    """An encoder of preprocessed pictures."""

    @property
    def fingerprint(self) -> str:
        """The encoder's identity; see ``EncoderSpec.fingerprint``."""

    @property
    def size(self) -> int:
        """Side of the square input, px."""

    def embed_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Map uint8 [n, size, size, 3] to unit rows float32 [n, d]."""


OpenEncoder = Callable[[str], PixelEncoder]
"""Returns the encoder of a spec, newly opened or kept from before."""
