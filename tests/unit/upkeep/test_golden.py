"""Where an expected product stands among hits."""

from __future__ import annotations

import pytest

from visearch.searches import Hit
from visearch.upkeep.golden import place_of


def hits(*products: str) -> list[Hit]:
    return [
        Hit(
            rank=0,
            product_id=each,
            image_id="",
            score=1.0,
            title=None,
            image_url="",
            url=None,
            attributes={},
        )
        for each in products
    ]


@pytest.mark.parametrize(
    ("found", "place"),
    [(["a", "b", "c"], 2), (["c", "b"], 1), (["d", "e"], None), ([], None), (["d", "c", "b"], 2)],
)
def test_the_best_place_of_any_expected_product(found: list[str], place: int | None) -> None:
    assert place_of(("b", "c"), hits(*found)) == place
