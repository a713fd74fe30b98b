"""Weighed queries: whose inner products are the weighed mean of the parts' cosines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visearch.encoders.layout import parts as parts_of
from visearch.errors import InvalidRequest
from visearch.fusion.weights import Parts, Vectors, weigh

PARTS = parts_of("mobilenet_v2_quartet", 24)
WEIGHT = st.just(0.0) | st.floats(0.001, 100)
WEIGHTS = st.fixed_dictionaries(dict.fromkeys(PARTS, WEIGHT)).filter(lambda w: sum(w.values()) > 0)


def embeddings(n: int, seed: int, lengths: tuple[float, ...] = (1, 1, 1)) -> Vectors:
    """Draw embeddings whose parts have these lengths."""
    drawn = np.random.default_rng(seed).standard_normal((n, 24)).astype(np.float32)
    for places, length in zip(PARTS.values(), lengths, strict=True):
        part = drawn[:, places]
        drawn[:, places] = part * (length / np.linalg.norm(part, axis=1, keepdims=True))
    return drawn


def cosines(a: Vectors, b: Vectors, parts: Parts) -> dict[str, np.ndarray]:
    """Return the cosines of each part, [len(a), len(b)]."""

    def unit(x: Vectors) -> Vectors:
        return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))

    return {name: unit(a[:, places]) @ unit(b[:, places]).T for name, places in parts.items()}


@given(WEIGHTS, st.integers(0, 99), st.tuples(*[st.floats(0.1, 2)] * 3))
def test_a_score_is_the_weighed_mean_of_the_cosines(
    weights: dict[str, float], seed: int, lengths: tuple[float, float, float]
) -> None:
    queries, stored = embeddings(3, seed, lengths), embeddings(5, seed + 1, lengths)
    scores = weigh(queries, PARTS, weights) @ stored.T
    each = cosines(queries, stored, PARTS)
    expected = sum(w * each[name] for name, w in weights.items()) / sum(weights.values())
    assert scores == pytest.approx(expected, abs=1e-4)
    assert np.diag(weigh(stored, PARTS, weights) @ stored.T) == pytest.approx(1, abs=1e-4)


def test_weights_of_the_lengths_squared_rank_as_the_embeddings_do() -> None:
    lengths = (1.0, 0.8, 0.6)
    vectors = embeddings(20, 0, lengths)
    squares = {name: n * n for name, n in zip(PARTS, lengths, strict=True)}
    plain = vectors @ vectors.T / sum(squares.values())
    assert weigh(vectors, PARTS, squares) @ vectors.T == pytest.approx(plain, abs=1e-6)


def test_a_part_of_zeros_is_similar_to_nothing() -> None:
    query = embeddings(1, 0)
    query[:, PARTS["kind"]] = 0
    weighed = weigh(query, PARTS, {"general": 1, "kind": 1, "instance": 0})
    assert np.isfinite(weighed).all()
    assert (weighed @ query.T).item() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ({"general": 1.0}, "has general, kind, instance"),
        ({"general": 1.0, "kind": 1.0, "instance": 1.0, "text": 1.0}, "general, kind, instance"),
        ({"general": 0.0, "kind": 0.0, "instance": 0.0}, "one above 0"),
        ({"general": 1.0, "kind": -0.1, "instance": 0.0}, "0 or more"),
        ({"general": 1.0, "kind": float("nan"), "instance": 0.0}, "0 or more"),
    ],
)
def test_weights_that_cannot_be_used(weights: dict[str, float], reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        weigh(embeddings(1, 0), PARTS, weights)
