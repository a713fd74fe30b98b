"""MobileNet v1 (Howard et al. 2017, arXiv:1704.04861) in Flax NNX, as Keras defines it.

A stride of 2 pads 0 before and 1 after; batch norm adds 1e-3 to the variance.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
from flax import nnx

from visearch.encoders.families.layers import ConvNorm, Norm
from visearch.encoders.families.model import Model
from visearch.encoders.families.naming import KERAS, Naming

_BLOCKS = (
    # channels, stride (table 1)
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)
_NORM = Norm(epsilon=1e-3, momentum=0.99)
_STRIDED = ((0, 1), (0, 1))


@dataclass(frozen=True, kw_only=True)
class MobileNetV1Config:
    """Shape of a MobileNet v1; ``width`` multiplies every channel count."""

    width: float
    classes: int | None = 1000
    embedding: int | None = None

    @property
    def features(self) -> int:
        """Channels of the pooled features."""
        return int(1024 * self.width)


VARIANTS: dict[str, MobileNetV1Config] = {
    "mobilenet_v1": MobileNetV1Config(width=1.0),
    "mobilenet_v1_075": MobileNetV1Config(width=0.75),
    "mobilenet_v1_050": MobileNetV1Config(width=0.5),
    "mobilenet_v1_025": MobileNetV1Config(width=0.25),
}


class Separable(nnx.Module):
    """Filter each channel, then mix the channels."""

    def __init__(self, cin: int, cout: int, *, stride: int, rngs: nnx.Rngs) -> None:
        self.depthwise = ConvNorm(
            cin,
            cin,
            3,
            stride=stride,
            padding=_STRIDED if stride == 2 else None,
            depthwise=True,
            norm=_NORM,
            activation=nnx.relu6,
            rngs=rngs,
        )
        self.pointwise = ConvNorm(cin, cout, 1, norm=_NORM, activation=nnx.relu6, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map float [N, H, W, cin] to [N, H/stride, W/stride, cout]."""
        return self.pointwise(self.depthwise(x))


class MobileNetV1(Model):
    """A MobileNet v1."""

    def __init__(self, config: MobileNetV1Config, *, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs=rngs)
        cin = int(32 * config.width)
        self.stem = ConvNorm(
            3, cin, 3, stride=2, padding=_STRIDED, norm=_NORM, activation=nnx.relu6, rngs=rngs
        )
        self.blocks: nnx.List[Separable] = nnx.List([])
        for channels, stride in _BLOCKS:
            cout = int(channels * config.width)
            self.blocks.append(Separable(cin, cout, stride=stride, rngs=rngs))
            cin = cout
        if config.classes is not None:
            self.dropout = nnx.Dropout(1e-3, rngs=rngs)
            self.classifier = nnx.Linear(cin, config.classes, rngs=rngs)

    def feature_map(self, x: jax.Array) -> jax.Array:
        """Map normalised float32 pictures [N, H, W, 3] to features of places [N, h, w, C]."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return x

    def classify(self, features: jax.Array) -> jax.Array:
        """Classify pooled features [N, C]: logits [N, classes]."""
        return self.classifier(self.dropout(features))

    def namings(self) -> tuple[Naming, ...]:
        """Keras' names; it numbers blocks from 1 and classifies with a 1×1 convolution."""
        rules = [(r"^stem\.layers\.0\.", "conv1/"), (r"^stem\.layers\.1\.", "conv1_bn/")]
        for i in range(len(_BLOCKS)):
            for part, short in (("depthwise", "dw"), ("pointwise", "pw")):
                own, theirs = rf"^blocks\.{i}\.{part}\.layers", f"conv_{short}_{i + 1}"
                rules += [(rf"{own}\.0\.", f"{theirs}/"), (rf"{own}\.1\.", f"{theirs}_bn/")]
        rules += [
            (r"^classifier\.", "conv_preds/"),
            (r"^(conv_dw_\d+)/kernel", r"\1/depthwise_kernel"),
            ("/scale$", "/gamma"),
            ("_bn/bias$", "_bn/beta"),
            ("/mean$", "/moving_mean"),
            ("/var$", "/moving_variance"),
        ]
        as_convolution = (r"^conv_preds/kernel", lambda s: (1, 1, *s))
        return (Naming("keras", tuple(rules), KERAS, (as_convolution,), ignored=()),)
