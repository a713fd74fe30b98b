"""Every architecture by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from flax import nnx

from visearch.encoders import mobilenet_v2, resnet
from visearch.encoders.model import Config, Model
from visearch.encoders.weights import load_safetensors, load_tensors
from visearch.errors import UnknownEncoder

_FAMILIES: tuple[tuple[type[Model], Mapping[str, Any]], ...] = (
    (resnet.ResNet, resnet.VARIANTS),
    (mobilenet_v2.MobileNetV2, mobilenet_v2.VARIANTS),
)
VARIANTS: dict[str, Config] = {
    name: config for _, variants in _FAMILIES for name, config in variants.items()
}


def build(name: str, *, seed: int = 0, **overrides: int | None) -> Model:
    """Make the named architecture with random weights, drawn from ``seed``.

    ``overrides`` replace fields of its config (``classes=None``, ``embedding=256``).

    Raises:
        UnknownEncoder: there is no such architecture.
    """
    for family, variants in _FAMILIES:
        if name in variants:
            config = replace(variants[name], **overrides)
            return family(config, rngs=nnx.Rngs(seed))
    raise UnknownEncoder(f"unknown architecture {name!r}; there are {', '.join(VARIANTS)}")


def load_model(name: str, weights: Path | None = None, **overrides: int | None) -> Model:
    """Make the named architecture for inference, with the weights of a checkpoint.

    Raises:
        UnknownEncoder: there is no such architecture.
        WeightsMismatch: the checkpoint does not fit it.
    """
    model = build(name, seed=0, **overrides)
    if weights is not None:
        load_tensors(model, load_safetensors(weights))
    model.eval()
    return model
