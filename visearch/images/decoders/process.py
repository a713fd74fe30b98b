"""One decoder, seen from the process that owns it: a child that is trusted with nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from typing import Any

import numpy as np

from visearch.errors import (
    ImageCorrupt,
    ImageError,
    ImageTooLarge,
    InvalidRequest,
    UnsupportedImage,
)
from visearch.images.decode import Limits
from visearch.images.decoders import wire
from visearch.images.decoders.wire import WireError
from visearch.images.order import Copy, Order, Pixels

_CHILD = "visearch.images.decoders.child"
_IMAGE_ERRORS: dict[str, type[ImageError]] = {
    each.code: each for each in (UnsupportedImage, ImageTooLarge, ImageCorrupt)
}
_JPEG = b"\xff\xd8\xff"
_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")
_PREFIXES = ("PYTHON", "LD_", "LC_")
_OF_ITS_OWN = {
    # It works alone: more threads, and heaps of theirs, would only take address space.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    # What one picture needed serves the next: to ask the kernel for it anew takes a millisecond.
    "MALLOC_MMAP_THRESHOLD_": str(8 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(32 << 20),
}


class Decoder:
    """A process that fulfils one order at a time; any thread may ask, one at a time.

    ``usable`` is false while it works, and for good once an answer has not come, was none, or
    was its last.
    """

    def __init__(self, memory_bytes: int) -> None:
        """Start the process; it is not ready yet."""
        self._connection, its = socket.socketpair()
        with its:
            # A program of its own, not a fork: jax must not be forked once it has started.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", _CHILD, str(memory_bytes)],
                env=_environment(),
                stdin=its.fileno(),
                stdout=subprocess.DEVNULL,
            )
        self.usable = False

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def await_ready(self, within_s: float) -> None:
        """Wait until the process has loaded its code.

        Raises:
            EOFError: it ended instead.
            TimeoutError: it takes longer than ``within_s``.
            WireError: it is another program.
        """
        wire.receive(self._connection, 0, time.monotonic() + within_s)
        self.usable = True

    def ask(self, data: bytes, order: Order, limits: Limits, within_s: float) -> Pixels:
        """Return what the order makes of the picture, uint8 [size, size, 3].

        Raises:
            ImageError: the picture cannot be used.
            InvalidRequest: the box is malformed.
            TimeoutError: no answer within ``within_s``.
            OSError, EOFError, WireError: the process died, or answers nonsense.
        """
        size = order.preprocess.size
        asked = {"order": order.to_dict()}
        pixels = self._made(asked, data, limits, size * size * 3, within_s)
        if len(pixels) != size * size * 3:
            raise WireError(f"{len(pixels)} bytes of pixels")
        self.usable = True
        return np.frombuffer(pixels, np.uint8).reshape(size, size, 3)

    def ask_copy(self, data: bytes, order: Copy, limits: Limits, within_s: float) -> bytes:
        """Return a small JPEG of the picture; raises as ``ask`` does."""
        most = 3 * order.side * order.side
        copy = self._made({"copy": order.side}, data, limits, most, within_s)
        if not copy.startswith(_JPEG):
            raise WireError("a copy that is no JPEG")
        self.usable = True
        return bytes(copy)

    def _made(
        self, asked: dict[str, Any], data: bytes, limits: Limits, most: int, within_s: float
    ) -> bytearray:
        """Return what comes back for an order, at most ``most`` bytes; the caller looks at them."""
        end = time.monotonic() + within_s
        self.usable = False
        wire.send(self._connection, {**asked, "limits": asdict(limits)}, data, end)
        answer, made = wire.receive(self._connection, most, end)
        if error := _error(answer):
            self.usable = not answer.get("spent")
            raise error
        return made

    def kill(self) -> int:
        """End the process, whatever it does; returns its exit status."""
        self._connection.close()
        self._process.kill()
        return self._process.wait()


def _error(answer: dict[str, Any]) -> ImageError | InvalidRequest | None:
    """Build the error that an answer names; raises WireError if there is no such error."""
    if (code := answer.get("code")) is None:
        return None
    detail = str(answer.get("detail"))
    if code == InvalidRequest.code:
        try:
            return InvalidRequest(detail, tuple((str(a), str(b)) for a, b in answer["fields"]))
        except (KeyError, TypeError, ValueError) as error:
            raise WireError("fields that are none") from error
    if not isinstance(code, str) or code not in _IMAGE_ERRORS:
        raise WireError(f"the error {code!r}")
    return _IMAGE_ERRORS[code](detail)


def _environment() -> dict[str, str]:
    """Return what a decoder finds in its environment: where its code is, and no password."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED_ON or name.startswith(_PREFIXES)
    }
    path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
    return kept | _OF_ITS_OWN | {"PYTHONPATH": path}
