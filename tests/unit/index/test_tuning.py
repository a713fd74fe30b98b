"""Tuning finds the cheapest setting, whatever the shape of the border it follows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from visearch.index.tuning import Setting, Tree, _grid, cheapest


@given(
    leaves=st.integers(1, 400),
    count=st.integers(1, 200_000),
    fine=st.integers(1, 2),
    a=st.floats(0.1, 50),
    b=st.floats(1, 500),
    aim=st.floats(0.5, 1.0),
)
def test_no_setting_that_reaches_is_cheaper(
    leaves: int, count: int, fine: int, a: float, b: float, aim: float
) -> None:
    tree, tried = Tree(min(leaves, count), count, fine), 0

    def grows(setting: Setting) -> float:
        return (1 - 2 ** (-setting.leaves / a)) * (1 - 2 ** (-setting.reorder / b))

    def recall(setting: Setting) -> float:
        nonlocal tried
        tried += 1
        return grows(setting)

    found = cheapest(tree, aim, recall)
    reach = [
        Setting(some, reorder)
        for some in _grid(1, tree.leaves)
        for reorder in _grid(min(30, count), min(4_000, count))
        if grows(Setting(some, reorder)) >= aim
    ]
    if reach:
        assert grows(found) >= aim
        assert tree.cost(found) == min(map(tree.cost, reach))
    else:
        assert grows(found) >= min(aim, grows(Setting(tree.leaves, count)))
    assert tried <= 70


def test_what_nothing_reaches_is_the_cheapest_of_the_best() -> None:
    tree = Tree(leaves=173, points=30_000, fine=1)
    assert cheapest(tree, 0.9, lambda setting: min(setting.reorder / 60_000, 0.4)) == (173, 30_000)
    assert cheapest(tree, 0.9, lambda setting: 0.5) == (1, 4_000)
