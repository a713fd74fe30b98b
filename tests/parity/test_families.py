"""Every family agrees with torchvision's own outputs, through the real weight loader."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from visearch.encoders import load_model
from visearch.encoders.checkpoints.weights import (
    load_tensors,
    save_safetensors,
    slots,
    to_tensors,
)
from visearch.encoders.families.model import Model
from visearch.encoders.families.naming import Array
from visearch.encoders.registry import abstract, filled
from visearch.errors import EncoderError, WeightsMismatch

TOLERANCE = 1e-3
FAMILIES = {
    # architecture: (side of the input, a key of its first layer)
    "resnet18": (224, "conv1.weight"),
    "resnet50": (224, "conv1.weight"),
    "vgg16": (224, "features.0.weight"),
    "inception_v3": (299, "Conv2d_1a_3x3.conv.weight"),
    "mobilenet_v2": (224, "features.0.0.weight"),
    "mobilenet_v3_large": (224, "features.0.0.weight"),
    "efficientnet_b0": (224, "features.0.0.weight"),
    "convnext_tiny": (224, "features.0.0.weight"),
}
LITE = Path(__file__).parent / "data" / "efficientnet_lite.npz"
"""What timm 1.0.31 computes, from tensors of the same recipe."""

Tensors = dict[str, Array]


@pytest.fixture(scope="module")
def recipe(shared: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("recipe", shared / "parity" / "recipe.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def checkpoint(recipe: ModuleType, shared: Path, name: str) -> Tensors:
    shapes = json.loads((shared / "parity" / "keys.json").read_text())[name]
    return {key: recipe.tensor_for(key, tuple(shape)) for key, shape in shapes.items()}


@nnx.jit
def outputs(model: Model, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    return model.features(x), model.logits(x)


def relative_error(ours: jax.Array, golden: Array) -> float:
    return float(np.linalg.norm(np.asarray(ours) - golden) / np.linalg.norm(golden))


@pytest.mark.parametrize("name", FAMILIES)
def test_outputs_match_and_no_other_keys_are_taken(
    name: str, recipe: ModuleType, shared: Path
) -> None:
    golden = np.load(shared / "parity" / "golden.npz")
    tensors, (side, first) = checkpoint(recipe, shared, name), FAMILIES[name]
    model = filled(name, tensors)
    model.eval()
    x = recipe.tensor_for(f"input:{name}", (2, 3, side, side)).transpose(0, 2, 3, 1)
    features, logits = outputs(model, jnp.asarray(x))
    assert features.dtype == logits.dtype == jnp.float32
    errors = (
        relative_error(features, golden[f"{name}/features"]),
        relative_error(logits[:, :64], golden[f"{name}/logits64"]),
    )
    print(f"{name}: relative error of features {errors[0]:.1e}, of logits {errors[1]:.1e}")
    assert max(errors) < TOLERANCE
    check_refusals(model, tensors, first)


@pytest.mark.parametrize(
    ("name", "side"), [("efficientnet_lite0", 224), ("efficientnet_lite2", 260)]
)
def test_efficientnet_lite_agrees_with_timm(name: str, side: int, recipe: ModuleType) -> None:
    golden, (timm, _) = np.load(LITE), abstract(name).namings()
    assert timm.name == "timm"
    places = slots(abstract(name), timm)
    model = filled(name, {each.key: recipe.tensor_for(each.key, each.shape) for each in places})
    model.eval()
    x = recipe.tensor_for(f"input:{name}", (2, 3, side, side)).transpose(0, 2, 3, 1)
    features, logits = outputs(model, jnp.asarray(x))
    assert relative_error(features, golden[f"{name}/features"]) < TOLERANCE
    assert relative_error(logits[:, :64], golden[f"{name}/logits64"]) < TOLERANCE


def check_refusals(model: Model, tensors: Tensors, first: str) -> None:
    """One key is missing, one is unknown and one has another shape: all three are told."""
    bias = next(key for key in reversed(tensors) if key.endswith("bias"))
    wrong = {**tensors, "extra.weight": np.zeros(3, np.float32), bias: tensors[bias][:-1]}
    del wrong[first]
    with pytest.raises(WeightsMismatch) as caught:
        load_tensors(model, wrong)
    _, *lines = caught.value.detail.split("\n  ")
    assert lines == [
        f"missing {first}",
        "unexpected extra.weight",
        f"shape of {bias} is {wrong[bias].shape}, expected {tensors[bias].shape}",
    ]


def test_a_refused_checkpoint_changes_nothing(recipe: ModuleType, shared: Path) -> None:
    tensors = checkpoint(recipe, shared, "resnet18")
    model = filled("resnet18", tensors)
    with pytest.raises(WeightsMismatch):
        load_tensors(model, {key: value for key, value in tensors.items() if key != "fc.bias"})
    after = to_tensors(model)
    assert all(np.array_equal(tensors[key], after[key]) for key in after)


def test_a_saved_model_opens_again(recipe: ModuleType, shared: Path, tmp_path: Path) -> None:
    """Under our own names, without the classifier, which then cannot be asked."""
    tensors = checkpoint(recipe, shared, "mobilenet_v3_large")
    own = to_tensors(filled("mobilenet_v3_large", tensors))
    headless = {k: v for k, v in own.items() if k.split(".")[0] not in ("hidden", "classifier")}
    path = tmp_path / "own.safetensors"
    save_safetensors(path, headless, {}, np.float32)
    model = load_model("mobilenet_v3_large", path, classes=None)
    assert all(np.array_equal(value, headless[key]) for key, value in to_tensors(model).items())
    with pytest.raises(EncoderError, match="no classifier"):
        model.logits(jnp.zeros((1, 32, 32, 3)))


@pytest.mark.parametrize(
    ("name", "file", "golden_name"),
    [
        ("mobilenet_v1_075", "mobilenet_v1_0.75_224", "mobilenet_v1"),
        ("mobilenet_v2_tf", "mobilenet_v2_1.0_224", "mobilenet_v2"),
    ],
)
def test_real_weights_in_tensorflow_s_layouts(
    name: str, file: str, golden_name: str, shared: Path
) -> None:
    golden = np.load(shared / "weights" / "golden.npz")
    model = load_model(name, shared / "weights" / f"{file}.safetensors")
    features, logits = outputs(model, jnp.asarray(golden["images"], jnp.float32) / 127.5 - 1)
    assert relative_error(features, golden[f"{golden_name}_features"]) < TOLERANCE
    assert relative_error(logits, golden[f"{golden_name}_logits"]) < TOLERANCE
