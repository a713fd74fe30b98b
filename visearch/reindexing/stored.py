"""A stored picture, read back and decoded again: its pixels, or why there are none."""

from __future__ import annotations

from visearch.backend import Backend
from visearch.encoders.spec import resolve
from visearch.errors import (
    BlobDamaged,
    DecoderCrashed,
    DecodeTimeout,
    DependencyUnavailable,
    ImageCorrupt,
    NotFound,
)
from visearch.images.order import Order, Pixels
from visearch.store import mark

WAIT_S = 60.0
"""How long a picture may wait for a decoder and be decoded."""


def picture_pixels(backend: Backend, encoder: str, sha256: str, edits: int | None = None) -> Pixels:
    """Return a stored picture as the encoder wants it, uint8 [size, size, 3].

    With ``edits``, a seed, the picture is first edited as a shopper's photo would be.

    Raises:
        ImageError: the picture is lost, damaged, or cannot be decoded (any more).
        DependencyUnavailable: the blob store does not answer, or no decoder is free.
    """
    return pixels_of(backend, encoder, _original(backend, sha256), edits)


def pixels_of(backend: Backend, encoder: str, data: bytes, edits: int | None = None) -> Pixels:
    """Return the picture in ``data`` as ``picture_pixels`` does a stored one."""
    order = Order(preprocess=resolve(encoder).preprocess, edits=edits)
    try:
        try:
            return backend.decoders.pixels(data, order, WAIT_S)
        except (DecoderCrashed, DecodeTimeout):
            # Once may be the machine's fault: it was short of memory or of time.
            return backend.decoders.pixels(data, order, WAIT_S)
    except TimeoutError as error:
        raise DependencyUnavailable(
            "No process is free to decode pictures. See the log."
        ) from error


def _original(backend: Backend, sha256: str) -> bytes:
    try:
        return backend.blobs.get_digest("pictures", sha256)
    except NotFound as error:
        mark.require(backend.database, backend.blobs)
        raise ImageCorrupt(
            "The stored picture is not there any more. Send the product again.", code="picture_lost"
        ) from error
    except BlobDamaged as error:
        raise ImageCorrupt(
            "The stored picture is damaged, or its disk cannot read it. Send the product again.",
            code="picture_damaged",
        ) from error
