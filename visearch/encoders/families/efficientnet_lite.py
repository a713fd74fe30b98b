"""EfficientNet-Lite (Liu 2020, github.com/tensorflow/tpu) in Flax NNX, with TensorFlow's padding.

An EfficientNet for devices and int8: no squeeze-excite, ReLU6, a stem and a last convolution of
the same width in every variant, and a first and a last stage of the same depth. ``lite0`` to
``lite4`` load timm's ``tf_`` checkpoints and those with the names of ``efficientnet_pytorch``;
pictures are scaled as (x - 127) / 128.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import jax
from flax import nnx

from visearch.encoders.families.efficientnet import DROP, STAGES, TENSORFLOW
from visearch.encoders.families.inverted_residual import (
    BlockConfig,
    InvertedResidual,
    timm_rules,
)
from visearch.encoders.families.layers import ConvNorm, rounded_channels
from visearch.encoders.families.model import Model
from visearch.encoders.families.naming import Naming, Rule, staged

_STEM = 32


@dataclass(frozen=True, kw_only=True)
class EfficientNetLiteConfig:
    """Shape of an EfficientNet-Lite; ``width`` and ``depth`` multiply those of lite0."""

    width: float
    depth: float
    dropout: float
    features: int = 1280
    classes: int | None = 1000
    embedding: int | None = None

    @property
    def depths(self) -> tuple[int, ...]:
        """Blocks of each stage."""
        first, *middle, last = (blocks for *_, blocks in STAGES)
        return (first, *(math.ceil(blocks * self.depth) for blocks in middle), last)


VARIANTS: dict[str, EfficientNetLiteConfig] = {
    "efficientnet_lite0": EfficientNetLiteConfig(width=1.0, depth=1.0, dropout=0.2),
    "efficientnet_lite1": EfficientNetLiteConfig(width=1.0, depth=1.1, dropout=0.2),
    "efficientnet_lite2": EfficientNetLiteConfig(width=1.1, depth=1.2, dropout=0.3),
    "efficientnet_lite3": EfficientNetLiteConfig(width=1.2, depth=1.4, dropout=0.3),
    "efficientnet_lite4": EfficientNetLiteConfig(width=1.4, depth=1.8, dropout=0.3),
}


def _blocks(config: EfficientNetLiteConfig) -> Iterator[BlockConfig]:
    made, total, cin = 0, sum(config.depths), _STEM
    for (expansion, kernel, stride, channels, _), depth in zip(STAGES, config.depths, strict=True):
        cout = rounded_channels(channels * config.width)
        for i in range(depth):
            yield BlockConfig(
                cin=cin,
                wide=cin * expansion,
                cout=cout,
                kernel=kernel,
                stride=stride if i == 0 else 1,
                squeezed=None,
                drop=DROP * made / total,
            )
            made, cin = made + 1, cout


class EfficientNetLite(Model):
    """An EfficientNet-Lite."""

    config: EfficientNetLiteConfig

    def __init__(self, config: EfficientNetLiteConfig, *, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs=rngs)
        relu6 = nnx.relu6
        self.stem = ConvNorm(
            3, _STEM, 3, stride=2, padding="SAME", norm=TENSORFLOW, activation=relu6, rngs=rngs
        )
        self.blocks: nnx.List[InvertedResidual] = nnx.List([])
        for block in _blocks(config):
            self.blocks.append(
                InvertedResidual(
                    block, activation=relu6, padding="SAME", norm=TENSORFLOW, rngs=rngs
                )
            )
            cout = block.cout
        features = config.features
        self.top = ConvNorm(cout, features, 1, norm=TENSORFLOW, activation=relu6, rngs=rngs)
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
        """Timm's names, and those of ``efficientnet_pytorch``."""
        return _timm(self.config), _pytorch(self.config)


def _timm(config: EfficientNetLiteConfig) -> Naming:
    names = staged(config.depths)
    rules = [
        rule
        for i, (name, block) in enumerate(zip(names, _blocks(config), strict=True))
        for rule in timm_rules(rf"blocks\.{i}", name, block)
    ]
    return Naming("timm", (*rules, *_ends("conv_stem", "bn1", "conv_head", "bn2")))


def _pytorch(config: EfficientNetLiteConfig) -> Naming:
    rules: list[Rule] = []
    for i, block in enumerate(_blocks(config)):
        parts = {"expand": 0, "depthwise": 1, "project": 2}
        if block.wide == block.cin:
            del parts["expand"]
        for part, norm in parts.items():
            own = rf"^blocks\.{i}\.{part}\.layers"
            rules += [(rf"{own}\.0\.", f"_blocks.{i}._{part}_conv.")]
            rules += [(rf"{own}\.1\.", f"_blocks.{i}._bn{norm}.")]
    ends = _ends("_conv_stem", "_bn0", "_conv_head", "_bn1")
    return Naming("efficientnet_pytorch", (*rules, *ends, (r"^classifier\.", "_fc.")))


def _ends(stem: str, stem_norm: str, top: str, top_norm: str) -> tuple[Rule, ...]:
    """Return the rules for the first and the last convolution and their norms."""
    return (
        (r"^stem\.layers\.0\.", f"{stem}."),
        (r"^stem\.layers\.1\.", f"{stem_norm}."),
        (r"^top\.layers\.0\.", f"{top}."),
        (r"^top\.layers\.1\.", f"{top_norm}."),
    )
