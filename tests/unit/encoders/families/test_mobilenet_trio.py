"""The trio: a twin's general part and kind, and a residual network for single products."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from system import picture

from visearch.encoders import registry
from visearch.encoders.checkpoints.weights import save_safetensors, to_tensors
from visearch.encoders.families.model import Model
from visearch.encoders.runtimes import flax_export
from visearch.encoders.runtimes.export import TOLERANCE, require_close
from visearch.encoders.runtimes.onnx import OnnxRuntime
from visearch.encoders.spec import metadata_for
from visearch.errors import InvalidRequest
from visearch.images import Preprocess
from visearch.training.batches import Sampler
from visearch.training.data import Dataset
from visearch.training.examples import Examples
from visearch.training.losses import unit
from visearch.training.recipe import Pretrained, Recipe
from visearch.training.start import fill_branch, start_from

PREPROCESS = Preprocess(size=64, fit="stretch", mean=(0.5,) * 3, std=(0.5,) * 3)
TRIO = Recipe(architecture="mobilenet_v2_trio", size=64)
PICTURES = Dataset(
    [picture(i) for i in range(64)],
    np.full((64, 1), -1, np.int32),
    (),
    np.arange(64, dtype=np.int32),
    np.zeros(64, np.int32),
)
EXAMPLES = Examples(PICTURES, Sampler(PICTURES, {}, TRIO), TRIO)


def written(name: str, path: Path) -> tuple[Model, Pretrained]:
    """Return a network with random weights and where it was written."""
    model = registry.build(name, seed=5)
    save_safetensors(path, to_tensors(model), metadata_for(name, 256, PREPROCESS), np.float32)
    return model, Pretrained(architecture=name, weights=path)


def test_it_gives_what_its_networks_give(tmp_path: Path) -> None:
    twin, start = written("mobilenet_v2_twin", tmp_path / "twin.safetensors")
    residual, branch = written("resnet_compact", tmp_path / "residual.safetensors")
    trio = registry.build("mobilenet_v2_trio", seed=0)
    recipe = replace(TRIO, start=start, branch=replace(branch, into="residual"))
    fresh = start_from(trio, recipe, EXAMPLES, None)
    filled = fill_branch(trio, recipe, EXAMPLES)
    assert {name for name in fresh if not name.startswith(filled)} == set()
    for model in (trio, twin, residual):
        model.eval()
    x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 64, 64, 3)), jnp.float32)
    parts, theirs = trio.features_and_parts(x)[1], twin.features_and_parts(x)[1]
    for name in ("general", "kind"):
        np.testing.assert_allclose(parts[name], theirs[name], atol=1e-5)
    small = jax.image.resize(x, (4, 38, 38, 3), "linear", antialias=True)
    # Projected to a quarter of its directions, the best ones, little of it is lost.
    whole, part = unit(residual.embed(small)), unit(parts["instance"])
    np.testing.assert_allclose(part @ part.T, whole @ whole.T, atol=0.05)


def test_a_trio_is_exported() -> None:
    model = registry.build("mobilenet_v2_trio", seed=0)
    model.eval()
    graph, pixels, wanted = flax_export.of_model(model, PREPROCESS, 256)
    require_close(OnnxRuntime(graph, threads=1).run(pixels), wanted, TOLERANCE["float32"], "a trio")
    lengths = np.linalg.norm(wanted.reshape(len(wanted), -1, 4), axis=1)
    np.testing.assert_allclose(lengths[:, 3] / lengths[:, 2], 0.6, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "into"), [("resnet_compact", "elsewhere"), ("mobilenet_v2_twin", "residual")]
)
def test_a_branch_must_fit_its_place(name: str, into: str, tmp_path: Path) -> None:
    _, branch = written(name, tmp_path / "branch.safetensors")
    trio = registry.build("mobilenet_v2_trio", seed=0)
    with pytest.raises(InvalidRequest, match=f"called '{into}'"):
        fill_branch(trio, replace(TRIO, branch=replace(branch, into=into)), EXAMPLES)
