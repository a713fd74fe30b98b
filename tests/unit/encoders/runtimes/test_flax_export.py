"""Every family runs in the default engine as in Flax, batch norm folded."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from visearch.encoders import registry
from visearch.encoders.runtimes import flax_export
from visearch.encoders.runtimes.export import TOLERANCE, require_close
from visearch.encoders.runtimes.onnx import OnnxRuntime
from visearch.images import Preprocess

HALF = (0.5, 0.5, 0.5)
SMALLEST = {
    "resnet18": 64,
    "resnet50": 64,
    "vgg16_bn": 64,
    "inception_v3": 96,
    "mobilenet_v1_075": 64,
    "mobilenet_v2": 64,
    "mobilenet_v2_tf": 64,
    "mobilenet_v2_twin": 64,
    "mobilenet_v3_small": 64,
    "efficientnet_b0": 64,
    "efficientnet_lite0": 66,
    "convnext_tiny": 64,
}


@pytest.mark.parametrize(("name", "size"), SMALLEST.items())
def test_its_vectors_are_those_of_flax(name: str, size: int) -> None:
    rng = np.random.default_rng(0)
    model = registry.abstract(name, classes=None)

    def draw(leaf: jax.ShapeDtypeStruct) -> jax.Array:
        if len(leaf.shape) < 2:
            return jnp.asarray(rng.uniform(0.5, 1.5, leaf.shape), jnp.float32)
        fan = np.prod(leaf.shape[:-1])
        return jnp.asarray(rng.normal(0, (2 / fan) ** 0.5, leaf.shape), jnp.float32)

    nnx.update(model, jax.tree.map(draw, nnx.state(model, (nnx.Param, nnx.BatchStat))))
    nnx.reseed(model, default=0)
    model.eval()
    preprocess = Preprocess(size=size, fit="pad", mean=HALF, std=HALF)
    dimension = registry.dimension(model.config)
    graph, pixels, wanted = flax_export.of_model(model, preprocess, dimension)
    found = OnnxRuntime(graph, threads=1).run(pixels)
    require_close(found, wanted, TOLERANCE["float32"], name)
    assert np.linalg.norm(wanted[0] - wanted[1]) > 1e-3, "the pictures are told apart"
