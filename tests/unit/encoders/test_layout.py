"""The parts of an embedding: interleaved, and every number belongs to one."""

from __future__ import annotations

import numpy as np
import pytest

from visearch.encoders import layout


@pytest.mark.parametrize("dimension", [4, 128, 256])
def test_parts_are_interleaved(dimension: int) -> None:
    parts = layout.parts("mobilenet_v2_trio", dimension)
    assert sorted(np.concatenate([*parts.values()])) == list(range(dimension))
    assert list(parts["kind"][:2]) == [2, 6][: dimension // 4]
    assert {name: len(where) for name, where in layout.parts("resnet18", 7).items()} == {"all": 7}
