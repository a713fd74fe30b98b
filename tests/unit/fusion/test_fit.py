"""Fitted weights: of parts that know a catalog's goods, of parts that do not, of too little."""

from __future__ import annotations

import numpy as np
import pytest

from visearch.encoders.layout import parts as parts_of
from visearch.errors import InvalidRequest
from visearch.fusion.fit import FEWEST, Fit, Sample, as_good_as, fit
from visearch.fusion.weights import Vectors

SIZE = 96
PARTS = parts_of("mobilenet_v2_quartet", SIZE)
DEFAULT = {"general": 1.0, "kind": 0.5, "instance": 0.2}
PICTURES, KINDS = 300, 10
KIND_OF = np.arange(PICTURES) % KINDS


def unit(x: Vectors) -> Vectors:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


def drawn(rng: np.random.Generator, part: str, rows: int) -> Vectors:
    return rng.standard_normal((rows, len(PARTS[part]))).astype(np.float32)


def catalog(noise: dict[str, float], seed: int = 0) -> Sample:
    """Draw pictures of ten kinds, and copies of half of them.

    The part *kind* tells the kinds, as far as its ``noise`` in copies allows; the others tell
    pictures.
    """
    rng = np.random.default_rng(seed)
    of = np.sort(rng.permutation(PICTURES)[: PICTURES // 2])
    pictures = np.empty((PICTURES, SIZE), np.float32)
    copies = np.empty((len(of), SIZE), np.float32)
    for part, places in PARTS.items():
        own = drawn(rng, part, PICTURES)
        if part == "kind":
            own = drawn(rng, part, KINDS)[KIND_OF] + 0.3 * own
        pictures[:, places] = unit(own)
        copies[:, places] = unit(own[of] + noise[part] * drawn(rng, part, len(of)))
    return Sample(pictures / 3**0.5, copies / 3**0.5, of)


def fitted(sample: Sample) -> Fit:
    found = fit(sample, PARTS, DEFAULT)
    assert found is not None
    return found


def test_a_part_that_knows_the_goods_counts_more() -> None:
    found = fitted(catalog({"general": 1.0, "kind": 0.1, "instance": 1.0}))
    assert found.chosen.weights["kind"] > DEFAULT["kind"]
    assert found.chosen.calm > found.default.calm


def test_a_part_that_does_not_counts_less() -> None:
    found = fitted(catalog({"general": 0.3, "kind": 3.0, "instance": 0.3}))
    assert found.chosen.weights["kind"] < DEFAULT["kind"]
    assert found.chosen.calm > found.default.calm


def test_the_instance_counts_as_far_as_copies_are_not_found_without() -> None:
    calm = {"general": 0.1, "kind": 0.1, "instance": 0.0}
    assert fitted(catalog(calm)).chosen.weights["instance"] == DEFAULT["instance"]
    found = fitted(catalog({"general": 6.0, "kind": 0.5, "instance": 0.3}))
    assert found.chosen.weights["instance"] > DEFAULT["instance"]
    assert found.chosen.found > found.default.found + 0.1


def test_what_is_known_of_pictures_is_heeded() -> None:
    noise = {"general": 0.5, "kind": 0.5, "instance": 0.5}
    sample = catalog(noise)
    of_kinds = fitted(Sample(sample.pictures, sample.copies, sample.of, [KIND_OF]))
    assert of_kinds.chosen.alike is not None and of_kinds.default.alike is not None
    assert of_kinds.chosen.alike > of_kinds.default.alike
    assert of_kinds.chosen.weights["kind"] > fitted(sample).chosen.weights["kind"]


def test_what_is_known_of_no_two_pictures_changes_nothing() -> None:
    sample = catalog({"general": 0.5, "kind": 0.5, "instance": 0.5})
    unknown = [np.full(PICTURES, -1), np.arange(PICTURES)]
    same = fit(Sample(sample.pictures, sample.copies, sample.of, unknown), PARTS, DEFAULT)
    assert same == fit(sample, PARTS, DEFAULT)
    assert same is not None and same.best.alike is None


def test_what_is_better_by_chance_only_is_as_good() -> None:
    rng = np.random.default_rng(0)
    best = rng.random(400)
    one_copy, noise, lag = best.copy(), rng.random(400), best - 0.02
    one_copy[7] -= 0.1
    goodness = np.stack([noise + best.mean() - noise.mean() - 0.01, best, one_copy, best, lag])
    assert as_good_as(1, goodness) == [0, 1, 2, 3]


def test_the_order_in_which_weights_are_named_is_nothing() -> None:
    sample = catalog({"general": 1.0, "kind": 0.3, "instance": 1.0})
    default = {"general": 0.4, "kind": 1.0, "instance": 0.2}
    turned = dict(reversed(default.items()))
    assert fit(sample, PARTS, turned) == fit(sample, PARTS, default)


def test_the_instance_alone_is_not_calm() -> None:
    alone = {"general": 0.0, "kind": 0.0, "instance": 1.0}
    found = fit(catalog(dict.fromkeys(PARTS, 0.3)), PARTS, alone)
    assert found is not None and found.default.calm == 0


def test_an_equal_picture_is_as_good_as_the_own() -> None:
    sample = catalog(dict.fromkeys(PARTS, 0.1))
    twins = np.concatenate([sample.pictures, sample.pictures])
    doubled = Sample(twins, sample.copies, sample.of + PICTURES)
    assert fitted(doubled).chosen.found == fitted(sample).chosen.found == 1


def test_alike_is_of_the_pictures_of_which_something_is_known() -> None:
    sample = catalog({"general": 0.5, "kind": 0.1, "instance": 0.5})
    half = np.where(np.arange(PICTURES) < PICTURES // 2, KIND_OF, -1)
    known = fitted(Sample(sample.pictures, sample.copies, sample.of, [half])).best.alike
    assert known is not None and known > 0.4, "half of each picture's kind is known"


def test_good_weights_stay() -> None:
    found = fitted(catalog(dict.fromkeys(PARTS, 0.0)))
    assert (found.pictures, found.copies) == (PICTURES, PICTURES // 2)
    assert found.chosen == found.default and found.chosen.found == found.chosen.calm == 1


def test_too_few_pictures_or_parts_are_not_fitted() -> None:
    sample = catalog({"general": 1.0, "kind": 1.0, "instance": 1.0})
    few = FEWEST - 1
    some = Sample(sample.pictures[:few], sample.pictures[:few], np.arange(few))
    assert fit(some, PARTS, DEFAULT) is None
    uncopied = Sample(sample.pictures, sample.copies[:few], sample.of[:few])
    assert fit(uncopied, PARTS, DEFAULT) is None
    assert fit(sample, parts_of("resnet50", SIZE), {"all": 1.0}) is None


def test_weights_of_other_parts_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="general, kind, instance"):
        fit(catalog(dict.fromkeys(PARTS, 1.0)), PARTS, {"all": 1.0})
