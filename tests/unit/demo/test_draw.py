"""The drawn catalog: repeatable, without doubles, in the colours it names."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from PIL import ImageChops

from visearch.demo.draw import CAPACITY, DemoProduct, Design, Studio, designs, products
from visearch.demo.palette import COLOURS
from visearch.demo.patterns import PATTERNS, cover
from visearch.demo.scene import FRAME
from visearch.demo.shapes import KINDS, Kind

COUNT = len(KINDS) + 4


@pytest.fixture(scope="module")
def drawn() -> list[DemoProduct]:
    return list(products(COUNT))


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio()


def test_same_seed_same_pixels(drawn: list[DemoProduct]) -> None:
    for first, again in zip(drawn[:4], products(4), strict=True):
        assert (first.id, first.title, first.attributes) == (
            again.id,
            again.title,
            again.attributes,
        )
        for one, other in zip(first.views, again.views, strict=True):
            assert one.tobytes() == other.tobytes()


def test_another_seed_is_another_catalog() -> None:
    assert [it.id for it in designs(40, 7)] != [it.id for it in designs(40, 8)]


def test_longer_catalog_starts_the_same() -> None:
    assert designs(300, 7)[:50] == designs(50, 7)


def test_ids_and_titles_are_unique_up_to_capacity() -> None:
    everything = designs(CAPACITY, 7)
    assert len(everything) == CAPACITY >= 300
    assert len({it.id for it in everything}) == CAPACITY
    assert len({it.title for it in everything}) == CAPACITY


@pytest.mark.parametrize("count", [-1, CAPACITY + 1])
def test_impossible_count_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="count must be"):
        next(products(count))


def test_every_kind_comes_before_any_twice(drawn: list[DemoProduct]) -> None:
    assert {it.attributes["kind"] for it in drawn[: len(KINDS)]} == {it.name for it in KINDS}


def test_products_say_they_are_drawn(drawn: list[DemoProduct]) -> None:
    for product in drawn:
        assert product.title.endswith("(drawn)")
        assert product.attributes["picture"] == "drawn"
        assert float(product.attributes["price"]) > 0


def test_title_reads_well() -> None:
    mug = next(kind for kind in KINDS if kind.name == "mug")
    teal = next(colour for colour in COLOURS if colour.name == "teal")
    assert Design(mug, teal, "stripes").title == "Teal striped mug (drawn)"
    assert Design(mug, teal, "plain").title == "Teal mug (drawn)"
    assert Design(mug, teal, "plain").id == "mug-teal-plain"


def test_views_are_pictures_and_all_differ(drawn: list[DemoProduct]) -> None:
    pictures = [view for product in drawn for view in product.views]
    assert len(pictures) == 2 * COUNT
    assert all(it.mode == "RGB" and it.size == (FRAME, FRAME) for it in pictures)
    assert len({it.tobytes() for it in pictures}) == len(pictures)


def test_views_of_one_product_differ_visibly(drawn: list[DemoProduct]) -> None:
    for product in drawn:
        difference = np.asarray(ImageChops.difference(*product.views), dtype=float)
        assert difference.mean() > 10


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_drawing_shows_its_colour_and_stays_in_the_frame(studio: Studio, kind: Kind) -> None:
    for colour in COLOURS[:3]:
        pixels = np.asarray(studio.sprite(Design(kind, colour, "plain")), dtype=int)
        near = np.abs(pixels[..., :3] - np.array(colour.main)).max(axis=-1) < 40
        assert (near & (pixels[..., 3] > 250)).mean() > 0.02
        assert (pixels[..., :3] <= pixels[..., 3:] + 2).all(), "premultiplied"
        edge = (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])
        assert not any(side[:, 3].any() for side in edge), "cut off"


def test_patterns_differ_on_every_kind(studio: Studio) -> None:
    for kind in KINDS:
        sprites = [
            np.asarray(studio.sprite(Design(kind, COLOURS[0], it)), float) for it in PATTERNS
        ]
        for one, other in combinations(sprites, 2):
            assert np.abs(one - other).mean() > 0.5, kind.name


def test_pattern_cover_is_a_share() -> None:
    for pattern in PATTERNS:
        share = cover(pattern)
        assert share.dtype == np.float32
        assert share.min() >= 0
        assert share.max() <= 1
    assert not cover("plain").any()
    assert cover("stripes").mean() == pytest.approx(0.5, abs=0.05)
    with pytest.raises(KeyError):
        cover("paisley")
