"""Damage: graded, repeatable, and only where it says."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from system import picture

from visearch.evaluation.robustness import (
    CORRUPTIONS,
    SIDE,
    Corruption,
    damaged,
    occlusion,
    rotation,
)

STEPS = [(c, i) for c in CORRUPTIONS for i in range(len(c.severities))]


@pytest.fixture(scope="module")
def image() -> Image.Image:
    return Image.open(io.BytesIO(picture(4))).convert("RGB")


def error(a: Image.Image, b: Image.Image) -> float:
    return float(np.mean((np.asarray(a, float) - np.asarray(b.resize(a.size), float)) ** 2))


def test_there_is_one_picture_for_each_severity(image: Image.Image) -> None:
    clean, *rest = damaged(image, seed=0)
    assert max(clean.size) == SIDE
    assert len(rest) == len(STEPS)
    assert all(each.mode == "RGB" for each in rest)


@pytest.mark.parametrize(
    "corruption", [c for c in CORRUPTIONS if c.name != "rotation"], ids=lambda c: c.name
)
def test_a_higher_severity_damages_more(corruption: Corruption, image: Image.Image) -> None:
    def damage(severity: float) -> float:
        seeds = [np.random.default_rng(seed) for seed in range(8)]  # covered places differ
        return float(np.mean([error(image, corruption.damage(image, severity, s)) for s in seeds]))

    errors = [damage(severity) for severity in corruption.severities]
    assert errors == sorted(errors) and errors[0] > 0


def test_a_seed_damages_alike_and_another_one_differs(image: Image.Image) -> None:
    first, again, other = ([each.tobytes() for each in damaged(image, seed)] for seed in (1, 1, 2))
    assert first == again
    assert first[1] != other[1]


@pytest.mark.parametrize("share", [0.1, 0.35, 0.5])
def test_occlusion_covers_its_share(share: float) -> None:
    white = Image.new("RGB", (256, 192), "white")
    covered = np.asarray(occlusion(white, share, np.random.default_rng(0))) == 128
    assert covered.mean() == pytest.approx(share, abs=0.01)


def test_a_turned_picture_is_whole_and_on_white() -> None:
    black = Image.new("RGB", (100, 60), "black")
    turned = rotation(black, 90, np.random.default_rng(0))
    assert turned.size == (60, 100) and not np.asarray(turned).any()
    aslant = np.asarray(rotation(black, 20, np.random.default_rng(0)))
    assert (aslant < 128).all(axis=2).sum() == pytest.approx(100 * 60, rel=0.02)
    assert (aslant[0, 0] == 255).all()


def test_a_sliver_of_a_picture_is_damaged_too() -> None:
    assert all(min(each.size) >= 1 for each in damaged(Image.new("RGB", (1, 900)), seed=0))
