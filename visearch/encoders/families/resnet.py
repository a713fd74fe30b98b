"""Residual networks (He et al. 2015, arXiv:1512.03385) in Flax NNX.

Submodules have torchvision's names, so that published checkpoints map one to one. Bottleneck
blocks have the stride in their 3×3 convolution ("v1.5").
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
from flax import nnx

from visearch.encoders.families.layers import kernel_init, max_pool
from visearch.encoders.families.model import Model


@dataclass(frozen=True, kw_only=True)
class ResNetConfig:
    """Shape of a residual network.

    ``width`` is the number of channels of the first of four stages; each next one doubles it.
    ``classes`` adds a classifier (``fc``), ``embedding`` a linear projection (``head``).
    """

    block: Literal["basic", "bottleneck"]
    depths: tuple[int, int, int, int]
    width: int = 64
    classes: int | None = 1000
    embedding: int | None = None

    @property
    def features(self) -> int:
        """Channels of the pooled features."""
        return self.width * 8 * (4 if self.block == "bottleneck" else 1)


VARIANTS: dict[str, ResNetConfig] = {
    "resnet18": ResNetConfig(block="basic", depths=(2, 2, 2, 2)),
    "resnet34": ResNetConfig(block="basic", depths=(3, 4, 6, 3)),
    "resnet50": ResNetConfig(block="bottleneck", depths=(3, 4, 6, 3)),
    "resnet101": ResNetConfig(block="bottleneck", depths=(3, 4, 23, 3)),
    "resnet_compact": ResNetConfig(
        block="basic", depths=(2, 2, 2, 2), width=32, classes=None, embedding=256
    ),
}


def _conv(cin: int, cout: int, kernel: int, stride: int, *, rngs: nnx.Rngs) -> nnx.Conv:
    return nnx.Conv(
        cin,
        cout,
        (kernel, kernel),
        strides=(stride, stride),
        padding=[(kernel // 2, kernel // 2)] * 2,
        use_bias=False,
        kernel_init=kernel_init,
        rngs=rngs,
    )


_norm = partial(nnx.BatchNorm, momentum=0.9, epsilon=1e-5)


def _shortcut(cin: int, cout: int, stride: int, rngs: nnx.Rngs) -> nnx.List[nnx.Module]:
    if stride == 1 and cin == cout:
        return nnx.List([])
    return nnx.List([_conv(cin, cout, 1, stride, rngs=rngs), _norm(cout, rngs=rngs)])


class BasicBlock(nnx.Module):
    """Two 3×3 convolutions around a shortcut."""

    expansion = 1

    def __init__(self, cin: int, width: int, stride: int, *, rngs: nnx.Rngs) -> None:
        self.conv1 = _conv(cin, width, 3, stride, rngs=rngs)
        self.bn1 = _norm(width, rngs=rngs)
        self.conv2 = _conv(width, width, 3, 1, rngs=rngs)
        self.bn2 = _norm(width, rngs=rngs)
        self.downsample = _shortcut(cin, width, stride, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map float [N, H, W, cin] to [N, H/stride, W/stride, width]."""
        y = nnx.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        for layer in self.downsample:
            x = layer(x)
        return nnx.relu(x + y)


class Bottleneck(nnx.Module):
    """1×1, 3×3 and 1×1 convolutions around a shortcut; the last is four times wider."""

    expansion = 4

    def __init__(self, cin: int, width: int, stride: int, *, rngs: nnx.Rngs) -> None:
        self.conv1 = _conv(cin, width, 1, 1, rngs=rngs)
        self.bn1 = _norm(width, rngs=rngs)
        self.conv2 = _conv(width, width, 3, stride, rngs=rngs)
        self.bn2 = _norm(width, rngs=rngs)
        self.conv3 = _conv(width, 4 * width, 1, 1, rngs=rngs)
        self.bn3 = _norm(4 * width, rngs=rngs)
        self.downsample = _shortcut(cin, 4 * width, stride, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map float [N, H, W, cin] to [N, H/stride, W/stride, 4·width]."""
        y = nnx.relu(self.bn1(self.conv1(x)))
        y = nnx.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        for layer in self.downsample:
            x = layer(x)
        return nnx.relu(x + y)


def _stage(
    config: ResNetConfig, cin: int, width: int, depth: int, stride: int, rngs: nnx.Rngs
) -> nnx.List[nnx.Module]:
    block = Bottleneck if config.block == "bottleneck" else BasicBlock
    blocks: list[nnx.Module] = []
    for i in range(depth):
        blocks.append(block(cin, width, stride if i == 0 else 1, rngs=rngs))
        cin = width * block.expansion
    return nnx.List(blocks)


class ResNet(Model):
    """A residual network."""

    def __init__(self, config: ResNetConfig, *, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs=rngs)
        width, expansion = config.width, 4 if config.block == "bottleneck" else 1
        self.conv1 = _conv(3, width, 7, 2, rngs=rngs)
        self.bn1 = _norm(width, rngs=rngs)
        d1, d2, d3, d4 = config.depths
        self.layer1 = _stage(config, width, width, d1, 1, rngs)
        self.layer2 = _stage(config, width * expansion, width * 2, d2, 2, rngs)
        self.layer3 = _stage(config, width * 2 * expansion, width * 4, d3, 2, rngs)
        self.layer4 = _stage(config, width * 4 * expansion, width * 8, d4, 2, rngs)
        if config.classes is not None:
            self.fc = nnx.Linear(config.features, config.classes, rngs=rngs)

    def feature_map(self, x: jax.Array) -> jax.Array:
        """Map normalised float32 pictures [N, H, W, 3] to features of places [N, h, w, C]."""
        x = nnx.relu(self.bn1(self.conv1(x)))
        x = max_pool(x, 3, 2, padding=1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            for block in stage:
                x = block(x)
        return x

    def classify(self, features: jax.Array) -> jax.Array:
        """Classify pooled features [N, C]: logits [N, classes]."""
        return self.fc(features)
