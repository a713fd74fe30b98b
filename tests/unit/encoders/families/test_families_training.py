"""Families in training mode: chance drops, batch norm follows, gradients reach every array."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from visearch.encoders.checkpoints.weights import slots
from visearch.encoders.families.model import Model
from visearch.encoders.registry import abstract, filled

X = np.random.default_rng(0).normal(0, 1, (4, 32, 32, 3)).astype(np.float32)


def randomly_filled(name: str) -> Model:
    rng = np.random.default_rng(1)
    tensors = {}
    for place in slots(abstract(name, classes=5)):
        fan_in = int(np.prod(place.shape[1:]))
        scale = fan_in**-0.5 if len(place.shape) > 1 else 0.1
        tensors[place.key] = rng.normal(0, scale, place.shape).astype(np.float32)
        if len(place.shape) == 1 and not place.key.endswith("bias"):
            tensors[place.key] = np.abs(tensors[place.key]) + 0.9
    return filled(name, tensors, classes=5)


@nnx.jit
def logits(model: Model, x: jax.Array) -> jax.Array:
    return model.logits(x)


@nnx.jit
def gradients(model: Model, x: jax.Array) -> nnx.State:
    return nnx.grad(lambda m: jnp.square(m.logits(x)).mean())(model)


@pytest.mark.parametrize("name", ["efficientnet_b0", "convnext_tiny"])
def test_training_drops_by_chance_and_inference_does_not(name: str) -> None:
    model, x = randomly_filled(name), jnp.asarray(X)
    statistics = jax.tree.map(jnp.copy, nnx.state(model, nnx.BatchStat))
    first, second = logits(model, x), logits(model, x)
    assert jnp.isfinite(first).all() and not jnp.array_equal(first, second)
    moved = jax.tree.leaves(nnx.state(model, nnx.BatchStat))
    for before, after in zip(jax.tree.leaves(statistics), moved, strict=True):
        assert not jnp.array_equal(before, after)
    model.eval()
    np.testing.assert_array_equal(logits(model, x), logits(model, x))
    for before, after in zip(moved, jax.tree.leaves(nnx.state(model, nnx.BatchStat)), strict=True):
        np.testing.assert_array_equal(before, after)


def test_gradients_reach_every_weight() -> None:
    model = randomly_filled("mobilenet_v1_025")
    for path, gradient in nnx.to_flat_state(gradients(model, jnp.asarray(X))):
        values = np.asarray(gradient[...])
        assert np.isfinite(values).all() and values.any(), path
