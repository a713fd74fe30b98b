"""MobileNet v2 (Sandler et al. 2018, arXiv:1801.04381) in Flax NNX.

Submodules carry torchvision's names. The ``tf`` variants are TensorFlow's: SAME padding
(a stride of 2 pads 0 before and 1 after), 1001 classes, batch norm folded into the
convolutions' weights and biases.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from visearch.encoders.depthwise import DepthwiseConv, Padding
from visearch.encoders.model import Model

_STAGES = (
    # expansion, channels, blocks, stride (table 2)
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


@dataclass(frozen=True, kw_only=True)
class MobileNetV2Config:
    """Shape of a MobileNet v2; ``folded``: no batch norm, TensorFlow's padding."""

    features: int = 1280
    folded: bool = False
    classes: int | None = 1000
    embedding: int | None = None


VARIANTS: dict[str, MobileNetV2Config] = {
    "mobilenet_v2": MobileNetV2Config(),
    "mobilenet_v2_tf": MobileNetV2Config(folded=True, classes=1001),
}


def _padding(stride: int, folded: bool) -> Padding:
    return ((0, 1), (0, 1)) if folded and stride == 2 else ((1, 1), (1, 1))


class ConvNorm(nnx.Module):
    """Convolution, batch norm (unless folded) and ReLU6 (unless linear)."""

    def __init__(
        self,
        cin: int,
        cout: int,
        kernel: int,
        *,
        stride: int = 1,
        depthwise: bool = False,
        linear: bool = False,
        folded: bool,
        rngs: nnx.Rngs,
    ) -> None:
        padding = _padding(stride, folded) if kernel == 3 else ((0, 0), (0, 0))
        if depthwise:
            conv: nnx.Module = DepthwiseConv(
                cout, kernel, stride=stride, padding=padding, use_bias=folded, rngs=rngs
            )
        else:
            conv = nnx.Conv(
                cin,
                cout,
                (kernel, kernel),
                strides=(stride, stride),
                padding=padding,
                use_bias=folded,
                kernel_init=nnx.initializers.variance_scaling(2.0, "fan_out", "normal"),
                rngs=rngs,
            )
        self.linear = linear
        self.layers: nnx.List[nnx.Module] = nnx.List([conv])
        if not folded:
            self.layers.append(nnx.BatchNorm(cout, momentum=0.9, epsilon=1e-5, rngs=rngs))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map float [N, H, W, cin] to [N, H/stride, W/stride, cout]."""
        for layer in self.layers:
            x = layer(x)
        return x if self.linear else nnx.relu6(x)


class InvertedResidual(nnx.Module):
    """Widen, filter each channel, narrow; a shortcut joins the narrow ends."""

    def __init__(
        self, cin: int, cout: int, *, stride: int, expansion: int, folded: bool, rngs: nnx.Rngs
    ) -> None:
        wide = cin * expansion
        self.shortcut = stride == 1 and cin == cout
        self.conv: nnx.List[nnx.Module] = nnx.List([])
        if expansion != 1:
            self.conv.append(ConvNorm(cin, wide, 1, folded=folded, rngs=rngs))
        self.conv.append(
            ConvNorm(wide, wide, 3, stride=stride, depthwise=True, folded=folded, rngs=rngs)
        )
        self.conv.append(ConvNorm(wide, cout, 1, linear=True, folded=folded, rngs=rngs))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map float [N, H, W, cin] to [N, H/stride, W/stride, cout]."""
        y = x
        for layer in self.conv:
            y = layer(y)
        return x + y if self.shortcut else y


class MobileNetV2(Model):
    """A MobileNet v2."""

    def __init__(self, config: MobileNetV2Config, *, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs=rngs)
        folded = config.folded
        stem = ConvNorm(3, 32, 3, stride=2, folded=folded, rngs=rngs)
        self.body: nnx.List[nnx.Module] = nnx.List([stem])
        cin = 32
        for expansion, cout, blocks, stride in _STAGES:
            for i in range(blocks):
                self.body.append(
                    InvertedResidual(
                        cin,
                        cout,
                        stride=stride if i == 0 else 1,
                        expansion=expansion,
                        folded=folded,
                        rngs=rngs,
                    )
                )
                cin = cout
        self.body.append(ConvNorm(cin, config.features, 1, folded=folded, rngs=rngs))
        if config.classes is not None:
            self.classifier = nnx.Linear(config.features, config.classes, rngs=rngs)

    def features(self, x: jax.Array) -> jax.Array:
        """Pool normalised float32 pictures [N, H, W, 3] to features [N, C]."""
        for layer in self.body:
            x = layer(x)
        return jnp.mean(x, axis=(1, 2))

    def classify(self, features: jax.Array) -> jax.Array:
        """Classify pooled features [N, C]: logits [N, classes]."""
        return self.classifier(features)
