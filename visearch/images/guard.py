"""What Pillow raises and warns about while reading a stranger's file → our own errors."""

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

from visearch.errors import ImageCorrupt, ImageTooLarge, UnsupportedImage

# What Pillow's parsers raise on bytes they did not expect. Spelt out, not `Exception`: a
# worker's soft time limit arrives as an Exception too and must not look like a bad file.
PILLOW_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    SyntaxError,
    RuntimeError,  # NotImplementedError and RecursionError too
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

# How Pillow says "valid, but I cannot do this variant". Text is all it offers; a message
# we miss still becomes ImageCorrupt, which asks the user for the same thing.
_VARIANT = re.compile(
    r"unsupported|not (yet )?supported|cannot handle|unknown pixel mode|no codec"
    r"|not available|unknown compression",
    re.IGNORECASE,
)


@contextmanager
def typed_errors(name: str, max_pixels: int) -> Iterator[None]:
    """Turn what Pillow raises inside the ``with`` into an ImageError.

    Args:
        name: Pillow's name of the format, for the message.
        max_pixels: the pixel limit, for the message.

    Raises:
        UnsupportedImage: a valid variant that Pillow cannot decode.
        ImageTooLarge: Pillow's own pixel guard spoke first, or memory ran out.
        ImageCorrupt: everything else in ``PILLOW_ERRORS``.
    """
    try:
        yield
    except Image.DecompressionBombError as error:
        raise ImageTooLarge(
            f"The picture declares more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels "
            f"and the limit is {max_pixels:,}; make it smaller and send it again."
        ) from error
    except MemoryError as error:
        raise ImageTooLarge(
            "The picture needs more memory than one picture may use; make it smaller than "
            f"{max_pixels:,} pixels and send it again."
        ) from error
    except PILLOW_ERRORS as error:
        if isinstance(error, NotImplementedError) or _VARIANT.search(str(error)):
            raise UnsupportedImage(
                f"The file is a kind of {name} that cannot be read here ({_reason(error)}); "
                "save it as an ordinary JPEG or PNG and send it again."
            ) from error
        raise ImageCorrupt(
            f"The {name} file is truncated or broken ({_reason(error)}); export it again "
            "from its source and send the new file."
        ) from error


def _reason(error: Exception) -> str:
    # Object addresses and a fuzzer's control characters have no place in an answer.
    text = re.sub(r"<[^>]*>|[^\x20-\x7e]", "", str(error)).strip(" .")
    return text[:120] or type(error).__name__


# Pillow warns about odd metadata and big pictures. Nobody in this process can act on a
# stranger's EXIF, and under `-W error` a warning would turn a fine picture into a failure.
# `warnings.catch_warnings` cannot be used here: it swaps the process-wide filter list and
# restores it on exit, so of two overlapping decodes the second to leave would undo or
# resurrect the other's filters. Instead one filter, for Pillow's own modules only, is put
# in front once and stays. It has to be looked at again on every call because others (a
# test runner, the application) may put stricter filters before it later. The lock keeps
# sixteen first calls from shuffling the list together; those who find the filter in
# front, which is all of them from then on, only read.
_QUIET: Any = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_quiet_lock = threading.Lock()


def silence_pillow() -> None:
    """Make sure Pillow's warnings are ignored; cheap, and safe from any thread."""
    with _quiet_lock:
        if not warnings.filters or warnings.filters[0] != _QUIET:
            warnings.filterwarnings("ignore", category=Warning, module=r"PIL\.")
