"""The trio: a twin's general part and kind, and a residual network for single products."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from visearch.encoders import registry
from visearch.encoders.model import Model
from visearch.encoders.spec import metadata_for
from visearch.encoders.weights import save_safetensors, to_tensors
from visearch.errors import InvalidRequest
from visearch.images import Preprocess
from visearch.training.recipe import Pretrained, Recipe
from visearch.training.start import fill_branch, start_from

PREPROCESS = Preprocess(size=64, fit="stretch", mean=(0.5,) * 3, std=(0.5,) * 3)
TRIO = Recipe(architecture="mobilenet_v2_trio", size=64)


def written(name: str, path: Path) -> tuple[Model, Pretrained]:
    """Return a network with random weights and where it was written."""
    model = registry.build(name, seed=5)
    save_safetensors(path, to_tensors(model), metadata_for(name, 256, PREPROCESS), np.float32)
    return model, Pretrained(architecture=name, weights=path)


def test_it_gives_what_its_networks_give(tmp_path: Path) -> None:
    twin, start = written("mobilenet_v2_twin", tmp_path / "twin.safetensors")
    residual, branch = written("resnet_compact", tmp_path / "residual.safetensors")
    trio = registry.build("mobilenet_v2_trio", seed=0)
    recipe = replace(TRIO, start=start)
    fresh = start_from(trio, recipe, [])  # type: ignore[arg-type]  # no picture is needed
    filled = fill_branch(trio, replace(branch, into="residual"))
    assert fresh - filled == {"instance_head/kernel"}
    for model in (trio, twin, residual):
        model.eval()
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 64, 64, 3)), jnp.float32)
    parts, theirs = trio.features_and_parts(x)[1], twin.features_and_parts(x)[1]
    for name in ("general", "kind"):
        np.testing.assert_allclose(parts[name], theirs[name], atol=1e-5)
    small = nnx.avg_pool(x, (2, 2), strides=(2, 2))
    expected = trio.instance_head(residual.features(small))  # type: ignore[attr-defined]
    np.testing.assert_allclose(parts["instance"], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "into"), [("resnet_compact", "elsewhere"), ("mobilenet_v2_twin", "residual")]
)
def test_a_branch_must_fit_its_place(name: str, into: str, tmp_path: Path) -> None:
    _, branch = written(name, tmp_path / "branch.safetensors")
    trio = registry.build("mobilenet_v2_trio", seed=0)
    with pytest.raises(InvalidRequest, match=f"called '{into}'"):
        fill_branch(trio, replace(branch, into=into))
