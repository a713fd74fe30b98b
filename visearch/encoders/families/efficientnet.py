"""EfficientNet (Tan & Le 2019, arXiv:1905.11946) in Flax NNX, with PyTorch's padding.

``b0`` to ``b4`` load torchvision's and timm's checkpoints. From ``b5`` on, torchvision's batch
norm has TensorFlow's constants; timm's checkpoints of these, and its ``tf_`` ones, which pad
unevenly, are other architectures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

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

STAGES = (
    # expansion, kernel, stride, channels, blocks (table 1)
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
DROP = 0.2
TENSORFLOW = Norm(epsilon=1e-3, momentum=0.99)


@dataclass(frozen=True, kw_only=True)
class EfficientNetConfig:
    """Shape of an EfficientNet; ``width`` and ``depth`` multiply those of b0."""

    width: float
    depth: float
    dropout: float
    norm: Norm = Norm()  # noqa: RUF009  (frozen)
    classes: int | None = 1000
    embedding: int | None = None

    @property
    def features(self) -> int:
        """Channels of the pooled features."""
        return 4 * rounded_channels(320 * self.width)

    @property
    def depths(self) -> tuple[int, ...]:
        """Blocks of each stage."""
        return tuple(math.ceil(blocks * self.depth) for *_, blocks in STAGES)


def _variant(
    width: float, depth: float, dropout: float, norm: Norm = TENSORFLOW
) -> EfficientNetConfig:
    return EfficientNetConfig(width=width, depth=depth, dropout=dropout, norm=norm)


VARIANTS: dict[str, EfficientNetConfig] = {
    "efficientnet_b0": _variant(1.0, 1.0, 0.2, Norm()),
    "efficientnet_b1": _variant(1.0, 1.1, 0.2, Norm()),
    "efficientnet_b2": _variant(1.1, 1.2, 0.3, Norm()),
    "efficientnet_b3": _variant(1.2, 1.4, 0.3, Norm()),
    "efficientnet_b4": _variant(1.4, 1.8, 0.4, Norm()),
    "efficientnet_b5": _variant(1.6, 2.2, 0.4),
    "efficientnet_b6": _variant(1.8, 2.6, 0.5),
    "efficientnet_b7": _variant(2.0, 3.1, 0.5),
}


def _blocks(config: EfficientNetConfig) -> list[BlockConfig]:
    blocks: list[BlockConfig] = []
    total, cin = sum(config.depths), rounded_channels(32 * config.width)
    for (expansion, kernel, stride, channels, _), depth in zip(STAGES, config.depths, strict=True):
        cout = rounded_channels(channels * config.width)
        for i in range(depth):
            blocks.append(
                BlockConfig(
                    cin=cin,
                    wide=rounded_channels(cin * expansion),
                    cout=cout,
                    kernel=kernel,
                    stride=stride if i == 0 else 1,
                    squeezed=max(1, cin // 4),
                    drop=DROP * len(blocks) / total,
                )
            )
            cin = cout
    return blocks


class EfficientNet(Model):
    """An EfficientNet."""

    config: EfficientNetConfig

    def __init__(self, config: EfficientNetConfig, *, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs=rngs)
        blocks, norm, silu = _blocks(config), config.norm, nnx.silu
        self.stem = ConvNorm(3, blocks[0].cin, 3, stride=2, norm=norm, activation=silu, rngs=rngs)
        self.blocks: nnx.List[InvertedResidual] = nnx.List([])
        for block in blocks:
            self.blocks.append(
                InvertedResidual(
                    block,
                    activation=silu,
                    squeeze_activation=silu,
                    gate=nnx.sigmoid,
                    norm=norm,
                    rngs=rngs,
                )
            )
        features = config.features
        self.top = ConvNorm(blocks[-1].cout, features, 1, norm=norm, activation=silu, rngs=rngs)
        if config.classes is not None:
            self.dropout = nnx.Dropout(config.dropout, rngs=rngs)
            self.classifier = nnx.Linear(features, config.classes, rngs=rngs)

    def feature_map(self, x: jax.Array) -> jax.Array:
        """Map normalised float32 pictures [N, H, W, 3] to features of places [N, h, w, C]."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        features: jax.Array = self.top(x)
        return features

    def classify(self, features: jax.Array) -> jax.Array:
        """Classify pooled features [N, C]: logits [N, classes]."""
        return self.classifier(self.dropout(features))

    def namings(self) -> tuple[Naming, ...]:
        """Torchvision's names, and timm's for variants with the same batch norm."""
        torchvision = _torchvision(self.config)
        return (
            (torchvision,) if self.config.norm == TENSORFLOW else (torchvision, _timm(self.config))
        )


def _torchvision(config: EfficientNetConfig) -> Naming:
    names = staged(config.depths, "features", start=1)
    rules = [
        rule
        for i, (name, block) in enumerate(zip(names, _blocks(config), strict=True))
        for rule in torchvision_rules(rf"blocks\.{i}", name, block)
    ]
    rules += [
        (r"^stem\.layers\.", "features.0."),
        (r"^top\.layers\.", f"features.{len(STAGES) + 1}."),
        (r"^classifier\.", "classifier.1."),
    ]
    return Naming("torchvision", tuple(rules))


def _timm(config: EfficientNetConfig) -> Naming:
    names = staged(config.depths)
    rules = [
        rule
        for i, (name, block) in enumerate(zip(names, _blocks(config), strict=True))
        for rule in timm_rules(rf"blocks\.{i}", name, block)
    ]
    rules += [
        (r"^stem\.layers\.0\.", "conv_stem."),
        (r"^stem\.layers\.1\.", "bn1."),
        (r"^top\.layers\.0\.", "conv_head."),
        (r"^top\.layers\.1\.", "bn2."),
    ]
    return Naming("timm", tuple(rules))
