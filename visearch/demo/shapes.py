"""The kinds of product in the demo catalog, and how each is drawn and shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from visearch.demo import shapes_carry, shapes_home, shapes_wear
from visearch.demo.pen import Form


@dataclass(frozen=True)
class Kind:
    """One kind of product.

    ``price`` is the middle of its prices, in no particular currency. ``stands`` tells
    products that stand on a floor from those that lie flat. The other fields place a pattern
    on it; see ``patterns.cover``.
    """

    name: str
    draw: Callable[[], Form]
    price: int
    stands: bool = True
    period: float = 11
    sag: float = 0
    angle: float = 0
    split: float = 60


KINDS = (
    Kind("mug", shapes_home.mug, 16, sag=-9, split=62),
    Kind("vase", shapes_home.vase, 38, sag=-6, period=9, split=74),
    Kind("lamp", shapes_home.lamp, 74, sag=-6, period=10, split=40),
    Kind("armchair", shapes_home.armchair, 320, period=9, split=55),
    Kind("bottle", shapes_home.bottle, 28, sag=-9, period=10, split=66),
    Kind("T-shirt", shapes_wear.t_shirt, 24, stands=False, period=10, split=48),
    Kind("cap", shapes_wear.cap, 22, stands=False, period=9, split=46),
    Kind("sneaker", shapes_wear.sneaker, 85, period=7, angle=14, split=60),
    Kind("watch", shapes_wear.watch, 140, stands=False, period=7, split=50),
    Kind("sunglasses", shapes_wear.sunglasses, 60, stands=False, period=4.6, angle=30, split=49),
    Kind("backpack", shapes_carry.backpack, 68, period=9, split=50),
    Kind("handbag", shapes_carry.handbag, 95, period=8, split=76),
    Kind("suitcase", shapes_carry.suitcase, 130, period=12, split=57),
    Kind("umbrella", shapes_carry.umbrella, 32, stands=False, sag=-14, period=9, split=38),
)
