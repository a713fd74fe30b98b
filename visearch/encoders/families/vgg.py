"""VGG (Simonyan & Zisserman 2014, arXiv:1409.1556) in Flax NNX, with and without batch norm.

The features are the mean of the last maps; the classifier sees these maps, averaged to a grid
of 7 × 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import jax
from flax import nnx

from visearch.encoders.families.layers import ConvNorm, Norm, max_pool, on_grid
from visearch.encoders.families.model import Model
from visearch.encoders.families.naming import Naming, Rule

_WIDTHS = (64, 128, 256, 512, 512)
_GRID = 7
_HIDDEN = 4096


@dataclass(frozen=True, kw_only=True)
class VGGConfig:
    """Shape of a VGG: the number of 3×3 convolutions in each of five stages."""

    depths: tuple[int, int, int, int, int]
    batch_norm: bool = False
    classes: int | None = 1000
    embedding: int | None = None

    @property
    def features(self) -> int:
        """Channels of the pooled features."""
        return _WIDTHS[-1]


VARIANTS: dict[str, VGGConfig] = {
    "vgg16": VGGConfig(depths=(2, 2, 3, 3, 3)),
    "vgg16_bn": VGGConfig(depths=(2, 2, 3, 3, 3), batch_norm=True),
    "vgg19": VGGConfig(depths=(2, 2, 4, 4, 4)),
    "vgg19_bn": VGGConfig(depths=(2, 2, 4, 4, 4), batch_norm=True),
}


class VGG(Model):
    """A VGG."""

    config: VGGConfig

    def __init__(self, config: VGGConfig, *, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs=rngs)
        norm = Norm() if config.batch_norm else None
        self.stages: nnx.List[nnx.List[ConvNorm]] = nnx.List([])
        cin = 3
        for width, depth in zip(_WIDTHS, config.depths, strict=True):
            stage: nnx.List[ConvNorm] = nnx.List([])
            for _ in range(depth):
                stage.append(ConvNorm(cin, width, 3, use_bias=True, norm=norm, rngs=rngs))
                cin = width
            self.stages.append(stage)
        if config.classes is not None:
            self.classifier = nnx.List(
                [
                    nnx.Linear(cin * _GRID**2, _HIDDEN, rngs=rngs),
                    nnx.Linear(_HIDDEN, _HIDDEN, rngs=rngs),
                    nnx.Linear(_HIDDEN, config.classes, rngs=rngs),
                ]
            )
            self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def feature_map(self, x: jax.Array) -> jax.Array:
        """Map normalised float32 pictures [N, H, W, 3] to [N, H/32, W/32, 512]."""
        for stage in self.stages:
            for layer in stage:
                x = layer(x)
            x = max_pool(x, 2, 2)
        return x

    def logits(self, x: jax.Array) -> jax.Array:
        """Classify normalised float32 pictures [N, H, W, 3]: logits [N, classes].

        Raises:
            EncoderError: the model has no classifier.
        """
        self.require_classifier()
        x = on_grid(self.feature_map(x), _GRID)
        x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)  # checkpoints flatten channels first
        *hidden, last = self.classifier
        for layer in hidden:
            x = self.dropout(nnx.relu(layer(x)))
        logits: jax.Array = last(x)
        return logits

    def namings(self) -> tuple[Naming, ...]:
        """Torchvision's and timm's names."""
        body = tuple(_body_rules(self.config))
        return (
            Naming("torchvision", (*body, *_classifier_rules("classifier.", (0, 3, 6)))),
            Naming(
                "timm",
                (*body, *_classifier_rules("", ("pre_logits.fc1", "pre_logits.fc2", "head.fc"))),
                reshaped=(
                    (r"^pre_logits\.fc1\.weight", lambda s: (s[0], s[1] // _GRID**2, _GRID, _GRID)),
                    (r"^pre_logits\.fc2\.weight", lambda s: (*s, 1, 1)),
                ),
            ),
        )


def _body_rules(config: VGGConfig) -> Iterator[Rule]:
    """Yield the rules of the body: checkpoints number all its layers, pools and ReLUs too."""
    at = 0
    for i, depth in enumerate(config.depths):
        for j in range(depth):
            yield rf"^stages\.{i}\.{j}\.layers\.0\.", f"features.{at}."
            yield rf"^stages\.{i}\.{j}\.layers\.1\.", f"features.{at + 1}."
            at += 3 if config.batch_norm else 2
        at += 1


def _classifier_rules(prefix: str, names: tuple[int | str, ...]) -> Iterator[Rule]:
    for i, name in enumerate(names):
        yield rf"^classifier\.{i}\.(?=kernel|bias)", f"{prefix}{name}."
