"""The quartet: a trio whose general part is a projection of two networks' features."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from system import picture

from visearch.encoders import layout, registry
from visearch.encoders.checkpoints.weights import load_safetensors, save_safetensors, to_tensors
from visearch.encoders.families.model import Model
from visearch.encoders.runtimes import flax_export
from visearch.encoders.runtimes.export import TOLERANCE, require_close
from visearch.encoders.runtimes.onnx import OnnxRuntime
from visearch.encoders.runtimes.options import Output
from visearch.encoders.spec import metadata_for
from visearch.images import Preprocess
from visearch.training.data import Dataset
from visearch.training.loop import train
from visearch.training.recipe import Pretrained, Recipe

PREPROCESS = Preprocess(size=64, fit="stretch", mean=(0.5,) * 3, std=(0.5,) * 3)
NAME = "mobilenet_v2_quartet"
PICTURES = Dataset(
    [picture(i) for i in range(64)],
    np.full((64, 1), -1, np.int32),
    (),
    np.arange(64, dtype=np.int32),
    np.zeros(64, np.int32),
)


def drawn(name: str) -> Model:
    """Return a network with random weights that keep the size of what flows through it."""
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
    return model


@pytest.mark.parametrize("output", ["embedding", "local"])
def test_it_is_exported_with_its_parts(output: Output) -> None:
    graph, pixels, wanted = flax_export.of_model(drawn(NAME), PREPROCESS, 384, output)
    found = OnnxRuntime(graph, threads=1).run(pixels)
    require_close(found, wanted, TOLERANCE["float32"], "a quartet")
    places = layout.parts(NAME, 384)
    assert {n: len(w) for n, w in places.items()} == {"general": 256, "kind": 64, "instance": 64}
    if output == "embedding":
        lengths = {name: np.linalg.norm(found[:, where], axis=1) for name, where in places.items()}
        for each in lengths.values():
            np.testing.assert_allclose(each, 3**-0.5, atol=1e-4)
    else:
        assert found.shape == (len(pixels), 2, 2, 384)


def test_it_is_put_together_of_a_trio_and_a_network(tmp_path: Path) -> None:
    """All weights are theirs, but for the projection of what both networks know in general."""
    files = {}
    for name, width in (("mobilenet_v2_trio", 256), ("efficientnet_lite0", 1280)):
        path = tmp_path / f"{name}.safetensors"
        tensors = to_tensors(drawn(name))
        save_safetensors(path, tensors, metadata_for(name, width, PREPROCESS), np.float32)
        files[name] = Pretrained(
            architecture=name, weights=path, into="lite" if "lite" in name else ""
        )
    trio, lite = files.values()
    recipe = Recipe(
        architecture=NAME, size=64, steps=0, batch=32, whitening=0.5, start=trio, branch=lite
    )
    out = tmp_path / "quartet.safetensors"
    train(PICTURES, {}, recipe, out)
    tensors = load_safetensors(out)
    theirs = load_safetensors(trio.weights)
    for key in theirs.keys() - {"general_head.weight"}:
        np.testing.assert_allclose(tensors[key], theirs[key], rtol=1e-3, atol=1e-6)
    for key, value in load_safetensors(lite.weights).items():
        np.testing.assert_allclose(tensors[f"lite.{key}"], value, rtol=1e-3, atol=1e-6)

    head = tensors["general_head.weight"]
    assert head.shape == (256, 2560) and np.isfinite(head).all() and np.abs(head).max() > 0
