"""Fitted weights in an evaluation: as a catalog's are, on the pictures that it would hold."""

from __future__ import annotations

import numpy as np
import pytest
from system import picture

from visearch.encoders.encoder import Encoder
from visearch.errors import InvalidRequest
from visearch.evaluation.embedding import embed_pictures
from visearch.evaluation.material import Material
from visearch.evaluation.weighing import Subject, Weighing
from visearch.fusion.fit import FEWEST
from visearch.fusion.weights import Weights

GALLERY, QUERIES = FEWEST + 5, 20


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.open("bundled")


def fitted(encoder: Encoder, material: Material) -> tuple[Weights | None, int]:
    """Return the weights for a catalog of the material, and how many copies they were fitted on."""
    copies: list[int] = []
    vectors = embed_pictures(encoder, material.pictures)
    weighing = Weighing(Subject("b", encoder, fitted=True), material, vectors, copies.append)
    everything = np.ones(len(material), np.bool_)
    weights = weighing.weights(everything)
    assert weighing.weights(everything) is weights, "fitted once"
    return weights, sum(copies)


def test_what_only_queries_is_not_fitted_to(encoder: Encoder) -> None:
    pictures = [picture(n, side=96) for n in range(GALLERY + QUERIES)]
    in_gallery = np.arange(len(pictures)) < GALLERY
    groups = np.arange(len(pictures))
    both = fitted(encoder, Material(pictures, (), groups, in_gallery))
    alone = fitted(encoder, Material(pictures[:GALLERY], (), groups[:GALLERY]))
    assert both == alone and both[1] == GALLERY


def test_few_pictures_change_nothing(encoder: Encoder) -> None:
    few = [picture(n, side=96) for n in range(6)]
    weights, _ = fitted(encoder, Material(few, (), np.arange(6)))
    assert weights == pytest.approx({"general": 0.424, "kind": 0.424, "instance": 0.153}, abs=1e-3)


def test_weights_of_other_parts_are_refused(encoder: Encoder) -> None:
    with pytest.raises(InvalidRequest, match="general, kind, instance"):
        Subject("b", encoder, {"all": 1.0})
