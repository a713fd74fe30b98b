"""Every architecture by name, and models made from checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import jax
from flax import nnx

from visearch.encoders.checkpoints.weights import load_checkpoint, load_tensors
from visearch.encoders.families import (
    convnext,
    efficientnet,
    efficientnet_lite,
    inception_v3,
    mobilenet_quartet,
    mobilenet_trio,
    mobilenet_twin,
    mobilenet_v1,
    mobilenet_v2,
    mobilenet_v3,
    resnet,
    vgg,
)
from visearch.encoders.families.model import Config, Model
from visearch.encoders.families.naming import Array
from visearch.errors import UnknownEncoder


class Overrides(TypedDict, total=False):
    """Fields of an architecture's config that a caller may replace; see :class:`Config`."""

    classes: int | None
    embedding: int | None


_FAMILIES: tuple[tuple[type[Model], Mapping[str, Any]], ...] = (
    (resnet.ResNet, resnet.VARIANTS),
    (vgg.VGG, vgg.VARIANTS),
    (inception_v3.InceptionV3, inception_v3.VARIANTS),
    (mobilenet_v1.MobileNetV1, mobilenet_v1.VARIANTS),
    (mobilenet_v2.MobileNetV2, mobilenet_v2.VARIANTS),
    (mobilenet_twin.MobileNetTwin, mobilenet_twin.VARIANTS),
    (mobilenet_trio.MobileNetTrio, mobilenet_trio.VARIANTS),
    (mobilenet_quartet.MobileNetQuartet, mobilenet_quartet.VARIANTS),
    (mobilenet_v3.MobileNetV3, mobilenet_v3.VARIANTS),
    (efficientnet.EfficientNet, efficientnet.VARIANTS),
    (efficientnet_lite.EfficientNetLite, efficientnet_lite.VARIANTS),
    (convnext.ConvNeXt, convnext.VARIANTS),
)
VARIANTS: dict[str, Config] = {
    name: config for _, variants in _FAMILIES for name, config in variants.items()
}


def dimension(config: Config) -> int:
    """Return the length of the embedding of a model with this config."""
    return config.embedding or config.features


class _OneKey(nnx.RngStream):
    """Always gives the same key: counting them is slow, and shapes need no randomness."""

    def __call__(self) -> jax.Array:
        key: jax.Array = self.key[...]
        return key

    def fork(self, *, split: int | tuple[int, ...] | None = None) -> nnx.RngStream:
        """Return an ordinary stream for a dropout layer."""
        return nnx.RngStream(self(), tag=self.tag)


def build(name: str, *, seed: int = 0, **overrides: Unpack[Overrides]) -> Model:
    """Make the named architecture with random weights that depend on ``seed``.

    ``overrides`` replace fields of its config, such as ``classes=None``, ``embedding=256``.

    Raises:
        UnknownEncoder: there is no such architecture.
    """
    return _make(name, nnx.Rngs(seed), overrides)


def abstract(name: str, **overrides: Unpack[Overrides]) -> Model:
    """Make the named architecture with the shapes of its weights but without values.

    Raises:
        UnknownEncoder: there is no such architecture.
    """

    def make() -> Model:
        rngs = nnx.Rngs(0)
        setattr(rngs, "default", _OneKey(0, tag="default"))  # noqa: B010  (untyped there)
        return _make(name, rngs, overrides)

    model: Model = nnx.eval_shape(make)
    return model


def _make(name: str, rngs: nnx.Rngs, overrides: Overrides) -> Model:
    for family, variants in _FAMILIES:
        if name in variants:
            return family(replace(variants[name], **overrides), rngs=rngs)
    raise UnknownEncoder(
        f"There is no architecture {name!r}. Choose one of: {', '.join(VARIANTS)}."
    )


def load_model(
    name: str, weights: str | Path | None = None, **overrides: Unpack[Overrides]
) -> Model:
    """Make the named architecture for inference, with the weights of a checkpoint.

    ``weights`` is a safetensors or PyTorch file; without one, they are random. ``overrides``
    are those of :func:`build`, such as ``classes=20`` for a checkpoint with 20 classes.

    Raises:
        UnknownEncoder: there is no such architecture.
        WeightsMismatch: the checkpoint cannot be read, or does not fit the architecture.
    """
    if weights is None:
        model = build(name, **overrides)
    else:
        model = filled(name, load_checkpoint(Path(weights)), **overrides)
    model.eval()
    return model


def filled(name: str, tensors: Mapping[str, Array], **overrides: Unpack[Overrides]) -> Model:
    """Make the named architecture with ``tensors`` as its weights, in training mode.

    Raises:
        UnknownEncoder: there is no such architecture.
        WeightsMismatch: the tensors do not fit it.
    """
    # Drawing random weights only to overwrite them takes seconds for a large network.
    model = abstract(name, **overrides)
    load_tensors(model, tensors)
    nnx.reseed(model, default=0)
    return model
