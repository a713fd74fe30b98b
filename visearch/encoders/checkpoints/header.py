"""The header of a safetensors file, read without its tensors and without numpy."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from visearch.errors import WeightsMismatch

MAX_HEADER_BYTES = 100_000_000


def read_metadata(path: Path) -> dict[str, str]:
    """Read the string metadata of a safetensors file without loading its tensors.

    Raises:
        WeightsMismatch: the file is not safetensors.
    """
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, MAX_HEADER_BYTES)))
        return dict(header.get("__metadata__", {}))
    except (struct.error, ValueError, AttributeError, TypeError) as error:
        raise WeightsMismatch(f"{path.name} is not a safetensors file: {error}") from error
