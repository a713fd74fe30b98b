"""The first products among the owners of pictures."""

from __future__ import annotations

from visearch.reindexing.golden import first_products


def test_several_pictures_of_a_product_take_one_place() -> None:
    assert first_products([5, 5, 5, 2, 7, 2, 9], 3) == {5, 2, 7}
    assert first_products([5], 3) == {5}
    assert first_products([], 3) == set()
