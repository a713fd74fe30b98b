"""MobileNet v3 (Howard et al. 2019, arXiv:1905.02244) in Flax NNX.

``mobilenet_v3_*`` are torchvision's. ``mobilenetv3_*_100`` are timm's, whose batch norm has
another epsilon, so that neither can use the other's weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
from flax import nnx

from visearch.encoders.families.inverted_residual import (
    BlockConfig,
    InvertedResidual,
    timm_rules,
    torchvision_rules,
)
from visearch.encoders.families.layers import ConvNorm, Norm, rounded_channels
from visearch.encoders.families.model import Model
from visearch.encoders.families.naming import Naming, staged

Row = tuple[int, int, int, bool, bool, int]
"""Kernel, expanded and output channels, squeeze-excite, hard swish (else ReLU), stride."""

_LARGE: tuple[tuple[Row, ...], ...] = (
    ((3, 16, 16, False, False, 1),),
    ((3, 64, 24, False, False, 2), (3, 72, 24, False, False, 1)),
    ((5, 72, 40, True, False, 2), *((5, 120, 40, True, False, 1),) * 2),
    (
        (3, 240, 80, False, True, 2),
        (3, 200, 80, False, True, 1),
        *((3, 184, 80, False, True, 1),) * 2,
    ),
    ((3, 480, 112, True, True, 1), (3, 672, 112, True, True, 1)),
    ((5, 672, 160, True, True, 2), *((5, 960, 160, True, True, 1),) * 2),
)
_SMALL: tuple[tuple[Row, ...], ...] = (
    ((3, 16, 16, True, False, 2),),
    ((3, 72, 24, False, False, 2), (3, 88, 24, False, False, 1)),
    ((5, 96, 40, True, True, 2), *((5, 240, 40, True, True, 1),) * 2),
    ((5, 120, 48, True, True, 1), (5, 144, 48, True, True, 1)),
    ((5, 288, 96, True, True, 2), *((5, 576, 96, True, True, 1),) * 2),
)
_STEM = 16
_TORCHVISION, _TIMM = Norm(epsilon=1e-3, momentum=0.99), Norm()


@dataclass(frozen=True, kw_only=True)
class MobileNetV3Config:
    """Shape of a MobileNet v3: the rows of the paper's tables 1 and 2, by stage."""

    stages: tuple[tuple[Row, ...], ...]
    hidden: int
    norm: Norm
    classes: int | None = 1000
    embedding: int | None = None

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of all stages."""
        return tuple(row for stage in self.stages for row in stage)

    @property
    def features(self) -> int:
        """Channels of the pooled features."""
        return 6 * self.rows[-1][2]


_large = MobileNetV3Config(stages=_LARGE, hidden=1280, norm=_TORCHVISION)
_small = MobileNetV3Config(stages=_SMALL, hidden=1024, norm=_TORCHVISION)
VARIANTS: dict[str, MobileNetV3Config] = {
    "mobilenet_v3_large": _large,
    "mobilenet_v3_small": _small,
    "mobilenetv3_large_100": replace(_large, norm=_TIMM),
    "mobilenetv3_small_100": replace(_small, norm=_TIMM),
}


def _blocks(config: MobileNetV3Config) -> list[BlockConfig]:
    blocks, cin = [], _STEM
    for kernel, wide, cout, squeeze, _, stride in config.rows:
        squeezed = rounded_channels(wide // 4) if squeeze else None
        blocks.append(
            BlockConfig(
                cin=cin, wide=wide, cout=cout, kernel=kernel, stride=stride, squeezed=squeezed
            )
        )
        cin = cout
    return blocks


class MobileNetV3(Model):
    """A MobileNet v3."""

    config: MobileNetV3Config

    def __init__(self, config: MobileNetV3Config, *, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs=rngs)
        norm, swish = config.norm, nnx.hard_swish
        self.stem = ConvNorm(3, _STEM, 3, stride=2, norm=norm, activation=swish, rngs=rngs)
        self.blocks: nnx.List[InvertedResidual] = nnx.List([])
        for block, row in zip(_blocks(config), config.rows, strict=True):
            self.blocks.append(
                InvertedResidual(
                    block,
                    activation=swish if row[4] else nnx.relu,
                    squeeze_activation=nnx.relu,
                    gate=nnx.hard_sigmoid,
                    norm=norm,
                    rngs=rngs,
                )
            )
        cin, cout = config.rows[-1][2], config.features
        self.top = ConvNorm(cin, cout, 1, norm=norm, activation=swish, rngs=rngs)
        if config.classes is not None:
            self.hidden = nnx.Linear(cout, config.hidden, rngs=rngs)
            self.dropout = nnx.Dropout(0.2, rngs=rngs)
            self.classifier = nnx.Linear(config.hidden, config.classes, rngs=rngs)

    def feature_map(self, x: jax.Array) -> jax.Array:
        """Map normalised float32 pictures [N, H, W, 3] to features of places [N, h, w, C]."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        features: jax.Array = self.top(x)
        return features

    def classify(self, features: jax.Array) -> jax.Array:
        """Classify pooled features [N, C]: logits [N, classes]."""
        return self.classifier(self.dropout(nnx.hard_swish(self.hidden(features))))

    def namings(self) -> tuple[Naming, ...]:
        """Torchvision's or timm's names, depending on the constants of batch norm."""
        return (
            _torchvision(self.config) if self.config.norm == _TORCHVISION else _timm(self.config),
        )


def _torchvision(config: MobileNetV3Config) -> Naming:
    blocks = _blocks(config)
    rules = [
        rule
        for i, block in enumerate(blocks)
        for rule in torchvision_rules(rf"blocks\.{i}", f"features.{i + 1}", block)
    ]
    rules += [
        (r"^stem\.layers\.", "features.0."),
        (r"^top\.layers\.", f"features.{len(blocks) + 1}."),
        (r"^classifier\.", "classifier.3."),
        (r"^hidden\.", "classifier.0."),
    ]
    return Naming("torchvision", tuple(rules))


def _timm(config: MobileNetV3Config) -> Naming:
    names = staged(len(stage) for stage in config.stages)
    last = f"blocks.{len(config.stages)}.0"
    rules = [
        rule
        for i, (name, block) in enumerate(zip(names, _blocks(config), strict=True))
        for rule in timm_rules(rf"blocks\.{i}", name, block)
    ]
    rules += [
        (r"^stem\.layers\.0\.", "conv_stem."),
        (r"^stem\.layers\.1\.", "bn1."),
        (r"^top\.layers\.0\.", f"{last}.conv."),
        (r"^top\.layers\.1\.", f"{last}.bn1."),
        (r"^hidden\.", "conv_head."),
    ]
    return Naming("timm", tuple(rules), reshaped=((r"^conv_head\.weight", lambda s: (*s, 1, 1)),))
