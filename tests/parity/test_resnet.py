"""Residual networks agree with torchvision's own outputs, through the real weight loader."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from visearch.encoders import registry, weights
from visearch.errors import WeightsMismatch

TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def recipe(shared: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("recipe", shared / "parity" / "recipe.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tensors(recipe: ModuleType, shared: Path, name: str) -> dict[str, Any]:
    shapes = json.loads((shared / "parity" / "keys.json").read_text())[name]
    return {key: recipe.tensor_for(key, tuple(shape)) for key, shape in shapes.items()}


def relative_error(ours: jax.Array, golden: Any) -> float:
    return float(np.linalg.norm(np.asarray(ours) - golden) / np.linalg.norm(golden))


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_features_and_logits_match(name: str, recipe: ModuleType, shared: Path) -> None:
    golden = np.load(shared / "parity" / "golden.npz")
    model = registry.build(name)
    weights.load_tensors(model, tensors(recipe, shared, name))
    model.eval()
    x = recipe.tensor_for(f"input:{name}", (2, 3, 224, 224)).transpose(0, 2, 3, 1)
    assert relative_error(model.features(jnp.asarray(x)), golden[f"{name}/features"]) < TOLERANCE
    logits = model.logits(jnp.asarray(x))[:, :64]
    assert relative_error(logits, golden[f"{name}/logits64"]) < TOLERANCE


def test_every_difference_is_reported_at_once(recipe: ModuleType, shared: Path) -> None:
    given = tensors(recipe, shared, "resnet18")
    del given["conv1.weight"]
    given["extra.weight"] = np.zeros(3, np.float32)
    given["fc.weight"] = given["fc.weight"][:10]
    model = registry.build("resnet18")
    before = weights.to_tensors(model)
    with pytest.raises(WeightsMismatch) as caught:
        weights.load_tensors(model, given)
    for line in ("missing conv1.weight", "unexpected extra.weight", "shape of fc.weight"):
        assert line in caught.value.detail
    after = weights.to_tensors(model)
    assert all(np.array_equal(before[key], after[key]) for key in before)
