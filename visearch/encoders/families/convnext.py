"""ConvNeXt (Liu et al. 2022, arXiv:2201.03545) in Flax NNX.

The features are the pooled maps before the last layer norm, which is part of the classifier.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from visearch.encoders.families.depthwise import DepthwiseConv
from visearch.encoders.families.layers import stochastic_depth
from visearch.encoders.families.model import Model
from visearch.encoders.families.naming import Naming, Rule

_init = nnx.initializers.truncated_normal(0.02)
_norm = partial(nnx.LayerNorm, epsilon=1e-6, use_fast_variance=False)


@dataclass(frozen=True, kw_only=True)
class ConvNeXtConfig:
    """Shape of a ConvNeXt: blocks and channels of its four stages."""

    depths: tuple[int, int, int, int]
    widths: tuple[int, int, int, int]
    drop: float
    classes: int | None = 1000
    embedding: int | None = None

    @property
    def features(self) -> int:
        """Channels of the pooled features."""
        return self.widths[-1]


VARIANTS: dict[str, ConvNeXtConfig] = {
    "convnext_tiny": ConvNeXtConfig(depths=(3, 3, 9, 3), widths=(96, 192, 384, 768), drop=0.1),
    "convnext_small": ConvNeXtConfig(depths=(3, 3, 27, 3), widths=(96, 192, 384, 768), drop=0.4),
    "convnext_base": ConvNeXtConfig(depths=(3, 3, 27, 3), widths=(128, 256, 512, 1024), drop=0.5),
}


class Block(nnx.Module):
    """A 7×7 depthwise convolution and two pointwise layers around a shortcut."""

    def __init__(self, channels: int, *, drop: float, rngs: nnx.Rngs) -> None:
        self.depthwise = DepthwiseConv(
            channels, 7, padding=((3, 3), (3, 3)), use_bias=True, rngs=rngs
        )
        self.norm = _norm(channels, rngs=rngs)
        self.widen = nnx.Linear(channels, 4 * channels, kernel_init=_init, rngs=rngs)
        self.narrow = nnx.Linear(4 * channels, channels, kernel_init=_init, rngs=rngs)
        self.layer_scale = nnx.Param(jnp.full(channels, 1e-6))
        self.drop = stochastic_depth(drop, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map float [N, H, W, channels] to the same shape."""
        y = self.widen(self.norm(self.depthwise(x)))
        y = self.narrow(nnx.gelu(y, approximate=False))
        return x + self.drop(y * self.layer_scale[...].astype(y.dtype))


def _patches(cin: int, cout: int, side: int, rngs: nnx.Rngs) -> nnx.Conv:
    return nnx.Conv(
        cin,
        cout,
        (side, side),
        strides=(side, side),
        padding="VALID",
        kernel_init=_init,
        rngs=rngs,
    )


class ConvNeXt(Model):
    """A ConvNeXt. ``body`` alternates downsampling and stages of blocks."""

    def __init__(self, config: ConvNeXtConfig, *, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs=rngs)
        self.body: nnx.List[nnx.List[nnx.Module]] = nnx.List([])
        last, done, cin = max(1, sum(config.depths) - 1), 0, 3
        for depth, width in zip(config.depths, config.widths, strict=True):
            if cin == 3:
                down = [_patches(cin, width, 4, rngs), _norm(width, rngs=rngs)]
            else:
                down = [_norm(cin, rngs=rngs), _patches(cin, width, 2, rngs)]
            stage = [
                Block(width, drop=config.drop * (done + i) / last, rngs=rngs) for i in range(depth)
            ]
            self.body.extend([nnx.List(down), nnx.List(stage)])
            done, cin = done + depth, width
        if config.classes is not None:
            self.norm = _norm(cin, rngs=rngs)
            self.classifier = nnx.Linear(cin, config.classes, kernel_init=_init, rngs=rngs)

    def feature_map(self, x: jax.Array) -> jax.Array:
        """Map normalised float32 pictures [N, H, W, 3] to features of places [N, h, w, C]."""
        for part in self.body:
            for layer in part:
                x = layer(x)
        return x

    def classify(self, features: jax.Array) -> jax.Array:
        """Classify pooled features [N, C]: logits [N, classes]."""
        return self.classifier(self.norm(features))

    def namings(self) -> tuple[Naming, ...]:
        """Torchvision's and timm's names."""
        return (_TORCHVISION, _TIMM)


_TORCHVISION = Naming(
    "torchvision",
    (
        (r"^classifier\.", "classifier.2."),
        (r"^norm\.", "classifier.0."),
        (r"^body\.", "features."),
        (r"\.depthwise\.", ".block.0."),
        (r"\.norm\.", ".block.2."),
        (r"\.widen\.", ".block.3."),
        (r"\.narrow\.", ".block.5."),
    ),
    reshaped=((r"\.layer_scale$", lambda s: (*s, 1, 1)),),
)


def _timm_rules() -> tuple[Rule, ...]:
    rules: list[Rule] = [
        (r"^body\.0\.", "stem."),
        (r"^classifier\.", "head.fc."),
        (r"^norm\.", "head.norm."),
    ]
    for stage in range(4):
        rules.append((rf"^body\.{2 * stage}\.", f"stages.{stage}.downsample."))
        rules.append((rf"^body\.{2 * stage + 1}\.", f"stages.{stage}.blocks."))
    return (
        *rules,
        (r"\.depthwise\.", ".conv_dw."),
        (r"\.widen\.", ".mlp.fc1."),
        (r"\.narrow\.", ".mlp.fc2."),
        (r"\.layer_scale$", ".gamma"),
    )


_TIMM = Naming("timm", _timm_rules())
