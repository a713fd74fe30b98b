"""Losses against their formulas, written out as sums."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visearch.training import losses


def unit(seed: int, n: int, d: int = 8) -> np.ndarray:
    z = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def naive_supervised(z: np.ndarray, labels: list[int], temperature: float) -> float:
    """Equation 2 of Khosla et al."""
    rows = []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        positives = [p for p in others if labels[p] == labels[i] >= 0]
        if not positives:
            continue
        total = sum(np.exp(z[i] @ z[a] / temperature) for a in others)
        rows.append(
            -np.mean([np.log(np.exp(z[i] @ z[p] / temperature) / total) for p in positives])
        )
    return float(np.mean(rows)) if rows else 0.0


@pytest.mark.parametrize(
    "labels", [[0, 0, 1, 1, 1, 2], [0, 0, -1, -1, 3, 3], [0, 1, 2, 3, 4, 5], [-1] * 6]
)
def test_the_supervised_loss_is_its_formula(labels: list[int]) -> None:
    z = unit(1, 6)
    ours = losses.supervised_contrastive(jnp.asarray(z), jnp.asarray(labels), 0.2)
    assert float(ours) == pytest.approx(naive_supervised(z, labels, 0.2), abs=1e-5)


@pytest.mark.parametrize("rows", [[7, 8], [7, 7]])  # a picture twice is no stranger to itself
def test_info_nce_counts_strangers_alone(rows: list[int]) -> None:
    z, memory = unit(3, 4), unit(4, 3)
    memory_rows = np.array([8, -1, 5])
    ours = losses.info_nce(*map(jnp.asarray, (z, np.array(rows), memory, memory_rows)), 0.2)
    terms = []
    for query, keys in ((z[:2], z[2:]), (z[2:], z[:2])):
        for i in range(2):
            near = [keys[j] for j in range(2) if j != i and rows[j] != rows[i]]
            far = [memory[m] for m in range(3) if memory_rows[m] not in (-1, rows[i])]
            scores = np.exp(np.stack([keys[i], *near, *far]) @ query[i] / 0.2)
            terms.append(-np.log(scores[0] / scores.sum()))
    assert float(ours) == pytest.approx(np.mean(terms), abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-1, 3), min_size=3, max_size=9), st.integers(0, 100))
def test_the_triplet_loss_is_batch_hard(labels: list[int], seed: int) -> None:
    z = unit(seed, len(labels))
    ours = float(losses.triplet(jnp.asarray(z), jnp.asarray(labels), 0.3))
    scores, rows = z @ z.T, []
    for i, label in enumerate(labels):
        fellows = [scores[i, j] for j, x in enumerate(labels) if j != i and x == label]
        strangers = [scores[i, j] for j, x in enumerate(labels) if x >= 0 and x != label]
        if label >= 0 and fellows and strangers:
            rows.append(max(0.0, max(strangers) - min(fellows) + 0.3))
    assert ours == pytest.approx(np.mean(rows) if rows else 0.0, abs=1e-5)


def test_the_proxy_loss_is_a_softmax_over_rivals_with_a_margin() -> None:
    z, proxies = unit(5, 3), unit(6, 4) * 3.0
    labels = np.array([1, -1, 3])
    rivals = np.array([[1, 1, 0, 1], [1, 1, 1, 1], [0, 0, 1, 1]], bool)
    ours = losses.proxy(
        *map(jnp.asarray, (z, labels, proxies, rivals)), temperature=0.5, margin=0.2, smoothing=0.3
    )
    total = 0.0
    for i in (0, 2):
        cosines = z[i] @ (proxies / 3.0).T
        cosines[labels[i]] -= 0.2
        log_p = cosines / 0.5 - np.log(np.exp(cosines[rivals[i]] / 0.5).sum())
        total -= 0.7 * log_p[labels[i]] + 0.3 * log_p[rivals[i]].mean()
    assert float(ours) == pytest.approx(total / 3, abs=1e-5)


def test_rows_without_label_or_fellow_leave_gradients_finite() -> None:
    z, labels = jnp.asarray(unit(8, 4)), jnp.asarray([0, -1, -1, 2])
    rivals = jnp.asarray([[True, True, True], [False] * 3, [True] * 3, [False] * 3])
    proxies, rows = jnp.asarray(unit(9, 3)), jnp.asarray([4, 5])

    def every_loss(z: jax.Array) -> jax.Array:
        return (
            losses.proxy(z, labels, proxies, rivals, temperature=0.1, smoothing=0.1)
            + losses.triplet(z, labels, 0.2)
            + losses.supervised_contrastive(z, labels, 0.1)
            + losses.info_nce(z, rows, jnp.zeros((3, 8)), jnp.full(3, -1), 0.1)
        )

    assert np.isfinite(jax.grad(every_loss)(z)).all()


def test_a_teacher_is_matched_exactly_by_its_own_features() -> None:
    teacher = jnp.asarray(unit(7, 5, 6) * 4.0)
    assert float(losses.cosine_distance(teacher / 2.0, teacher)) == pytest.approx(0, abs=1e-6)
    assert float(losses.cosine_distance(-teacher, teacher)) == pytest.approx(2, abs=1e-6)
    # Cross-entropy is least where the student's relations are the teacher's.
    gradient = jax.grad(lambda z: losses.teacher_relations(z, teacher, 0.5))
    np.testing.assert_allclose(gradient(losses.unit(teacher)), 0, atol=1e-6)
