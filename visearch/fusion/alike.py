"""Which of a catalog's pictures are alike, as far as their products' attributes tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

EACH = 5
"""An attribute sorts pictures into classes if it has at most one value for so many of them."""


def class_fields(attributes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the text fields that most pictures have and that take few values."""
    names = sorted({name for each in attributes for name in each})
    texts = {
        name: [each[name] for each in attributes if isinstance(each.get(name), str)]
        for name in names
    }
    return [
        name
        for name, values in texts.items()
        if 2 * len(values) >= len(attributes) and 2 <= len(set(values)) <= len(values) // EACH
    ]


def numbered(values: Sequence[Any]) -> npt.NDArray[np.int64]:
    """Return a number for each value, equal ones for equal texts; -1 for what is no text."""
    numbers: dict[str, int] = {}
    return np.asarray(
        [numbers.setdefault(v, len(numbers)) if isinstance(v, str) else -1 for v in values],
        np.int64,
    )
