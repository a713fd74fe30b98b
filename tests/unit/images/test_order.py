"""An order: what it makes of a picture, and its way through JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pictures import encode, quadrants
from PIL import Image

from visearch.images import Limits, Preprocess
from visearch.images.order import DecodersHere, Order

PREPROCESS = Preprocess(size=32, fit="stretch", mean=(0.485, 0.456, 0.406), std=(0.2, 0.3, 0.4))


@pytest.mark.parametrize(
    "order",
    [
        Order(preprocess=PREPROCESS),
        Order(preprocess=PREPROCESS, box=(0.1, 1 / 3, 0.7, 1.0), denoise=True, edits=3),
    ],
)
def test_an_order_survives_json(order: Order) -> None:
    assert Order.from_dict(json.loads(json.dumps(order.to_dict()))) == order


def test_a_box_is_cut_out_before_the_rest() -> None:
    order = Order(preprocess=PREPROCESS, box=(0.5, 0.0, 1.0, 0.5))
    pixels = DecodersHere(Limits()).pixels(encode(quadrants(), "PNG"), order, 1.0)
    assert (pixels == (0, 255, 0)).all()


def test_noise_is_removed_where_it_is_asked_for() -> None:
    rng = np.random.default_rng(0)
    noisy = np.full((32, 32, 3), 128, np.uint8)
    noisy[rng.random((32, 32)) < 0.1] = 255
    data = encode(Image.fromarray(noisy), "PNG")
    plain, clean = (
        Order(preprocess=PREPROCESS, denoise=denoise).fulfil(data, Limits())
        for denoise in (False, True)
    )
    assert plain.max() == 255 and clean.max() < 255


def test_the_same_seed_makes_the_same_edits() -> None:
    data = encode(quadrants(96, 64), "PNG")
    one, again, other = (
        Order(preprocess=PREPROCESS, edits=seed).fulfil(data, Limits()) for seed in (1, 1, 2)
    )
    assert (one == again).all() and (one != other).any()
