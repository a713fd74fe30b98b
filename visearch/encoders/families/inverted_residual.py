"""The inverted residual block of MobileNet v3 and EfficientNets, and its names in checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import jax
from flax import nnx

from visearch.encoders.families.depthwise import Padding
from visearch.encoders.families.layers import (
    Activation,
    ConvNorm,
    Norm,
    SqueezeExcite,
    stochastic_depth,
)
from visearch.encoders.families.naming import Rule


@dataclass(frozen=True, kw_only=True)
class BlockConfig:
    """Shape of one block; ``squeezed`` None: no squeeze-excite."""

    cin: int
    wide: int
    cout: int
    kernel: int
    stride: int
    squeezed: int | None
    drop: float = 0.0


class InvertedResidual(nnx.Module):
    """Expand, filter each channel, weight the channels, project; with a shortcut if it fits."""

    def __init__(
        self,
        config: BlockConfig,
        *,
        activation: Activation,
        squeeze_activation: Activation = nnx.relu,
        gate: Activation = nnx.sigmoid,
        padding: Padding | None = None,
        norm: Norm,
        rngs: nnx.Rngs,
    ) -> None:
        cin, wide, cout = config.cin, config.wide, config.cout
        self.shortcut = config.stride == 1 and cin == cout
        self.expand = (
            ConvNorm(cin, wide, 1, norm=norm, activation=activation, rngs=rngs)
            if wide != cin
            else None
        )
        self.depthwise = ConvNorm(
            wide,
            wide,
            config.kernel,
            stride=config.stride,
            padding=padding,
            depthwise=True,
            norm=norm,
            activation=activation,
            rngs=rngs,
        )
        self.squeeze = (
            SqueezeExcite(
                wide, config.squeezed, activation=squeeze_activation, gate=gate, rngs=rngs
            )
            if config.squeezed is not None
            else None
        )
        self.project = ConvNorm(wide, cout, 1, norm=norm, activation=None, rngs=rngs)
        self.drop = stochastic_depth(config.drop, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map float [N, H, W, cin] to [N, H/stride, W/stride, cout]."""
        y = x if self.expand is None else self.expand(x)
        y = self.depthwise(y)
        y = y if self.squeeze is None else self.squeeze(y)
        y = self.project(y)
        return x + self.drop(y) if self.shortcut else y


def torchvision_rules(own: str, theirs: str, config: BlockConfig) -> Iterator[Rule]:
    """Yield torchvision's names: it numbers the parts that a block has."""
    parts = ["depthwise", "project"]
    if config.wide != config.cin:
        parts.insert(0, "expand")
    if config.squeezed is not None:
        parts.insert(-1, "squeeze")
    for i, part in enumerate(parts):
        yield rf"^{own}\.{part}\.(layers\.)?", f"{theirs}.block.{i}."


def timm_rules(own: str, theirs: str, config: BlockConfig) -> Iterator[Rule]:
    """Yield timm's names: it numbers the norms; without expansion it projects by ``conv_pw``."""
    wide = config.wide != config.cin
    convs = {"expand": "conv_pw"} if wide else {}
    convs |= {"depthwise": "conv_dw", "project": "conv_pwl" if wide else "conv_pw"}
    for i, (part, conv) in enumerate(convs.items(), start=1):
        yield rf"^{own}\.{part}\.layers\.0\.", f"{theirs}.{conv}."
        yield rf"^{own}\.{part}\.layers\.1\.", f"{theirs}.bn{i}."
    yield rf"^{own}\.squeeze\.fc1\.", f"{theirs}.se.conv_reduce."
    yield rf"^{own}\.squeeze\.fc2\.", f"{theirs}.se.conv_expand."
