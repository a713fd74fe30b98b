"""What Pillow raises and warns about while it reads an untrusted file → our own errors."""

from __future__ import annotations

import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

from visearch.errors import ImageCorrupt, ImageTooLarge, UnsupportedImage, excess

# What Pillow's parsers raise on unexpected bytes. Not simply `Exception`: a worker's soft
# time limit is an Exception too, and must not be mistaken for a bad file.
PILLOW_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    SyntaxError,
    RuntimeError,  # includes NotImplementedError and RecursionError
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    EOFError,
    BufferError,
    SystemError,
    struct.error,
    zlib.error,
)

# How Pillow says that a file is valid but a variant it cannot read. It offers only text. A
# message that we miss becomes ImageCorrupt, which asks the user for the same thing.
_VARIANT = re.compile(
    r"unsupported|not (yet )?supported|cannot handle|unknown pixel mode|no codec"
    r"|not available|unknown compression|security limit",
    re.IGNORECASE,
)
_MEMORY = re.compile(r"out of memory|memory allocation error", re.IGNORECASE)


@contextmanager
def typed_errors(name: str, max_pixels: int) -> Iterator[None]:
    """Turn what Pillow raises inside the ``with`` block into an ImageError.

    Args:
        name: Pillow's name for the format, for the message.
        max_pixels: the pixel limit, for the message.

    Raises:
        UnsupportedImage: a valid variant that Pillow cannot decode.
        ImageTooLarge: the picture exceeds Pillow's own pixel limit, or memory ran out.
        ImageCorrupt: everything else in ``PILLOW_ERRORS``.
    """
    try:
        yield
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # where Pillow refuses
        raise ImageTooLarge(
            f"The {name} picture has more than {excess(most, min(most, max_pixels), 'pixels')}. "
            "Send a smaller copy."
        ) from error
    except MemoryError as error:
        raise out_of_memory(name) from error
    except PILLOW_ERRORS as error:
        if _MEMORY.search(str(error)):
            raise out_of_memory(name) from MemoryError(str(error))
        if isinstance(error, NotImplementedError) or _VARIANT.search(str(error)):
            raise UnsupportedImage(
                f"The file is a kind of {name} that visearch cannot read ({_reason(error)}). "
                "Save it as an ordinary JPEG or PNG."
            ) from error
        raise ImageCorrupt(
            f"The {name} file is truncated or broken ({_reason(error)}). Export it again "
            "from its source and send the new file."
        ) from error


def out_of_memory(name: str = "") -> ImageTooLarge:
    """Return the error of a picture that takes more memory than its process may use."""
    kind = f"{name} picture" if name else "picture"
    return ImageTooLarge(
        f"The {kind} needs more memory to be decoded than one picture may use. Send a smaller copy."
    )


def _reason(error: Exception) -> str:
    # Object addresses and control characters do not belong in an answer.
    text = re.sub(r"<[^>]*>|[^\x20-\x7e]", "", str(error)).strip(" .")
    return text[:120] or type(error).__name__


# Pillow warns about odd metadata and large pictures. Nobody can act on that here, and under
# `-W error` a warning would fail a good picture. `warnings.catch_warnings` does not help: it
# replaces the process-wide filter list and restores it on exit, so with two overlapping
# decodes the later exit would undo or revive the other's filters. Instead, one filter for
# Pillow's own modules is put in front and stays there. Every call checks that it is still in
# front, because a test runner or the application may add stricter filters later. The lock
# keeps concurrent first calls from changing the list at the same time.
_QUIET: Any = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_quiet_lock = threading.Lock()


def silence_pillow() -> None:
    """Make sure that Pillow's warnings are ignored; cheap, and safe in any thread."""
    with _quiet_lock:
        if not warnings.filters or warnings.filters[0] != _QUIET:
            warnings.filterwarnings("ignore", category=Warning, module=r"PIL\.")
