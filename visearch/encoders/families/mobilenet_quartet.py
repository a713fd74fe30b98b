"""A trio beside an EfficientNet-Lite: two networks know pictures in general better than one.

The part *general* is a projection of both networks' features, each of length 1. It is fitted to
pictures of all things; fitted to one kind of goods, it would lose what the networks know of others.
All networks see the picture at the same size, but for the residual one.
"""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
from flax import nnx

from visearch.encoders.families.efficientnet_lite import VARIANTS as LITE
from visearch.encoders.families.efficientnet_lite import EfficientNetLite
from visearch.encoders.families.mobilenet_trio import MobileNetTrio
from visearch.encoders.families.mobilenet_v2 import MobileNetV2Config
from visearch.encoders.layout import RATIOS

VARIANTS: dict[str, MobileNetV2Config] = {
    "mobilenet_v2_quartet": MobileNetV2Config(folded=True, classes=None, embedding=384),
}
_LITE = replace(LITE["efficientnet_lite0"], classes=None)


class MobileNetQuartet(MobileNetTrio):
    """A trio and an EfficientNet-Lite; it is put together of these, and need not be trained."""

    joins = True
    ratios = RATIOS["mobilenet_v2_quartet"]
    instance_length = 1.0

    def __init__(self, config: MobileNetV2Config, *, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs=rngs)
        self.lite = EfficientNetLite(_LITE, rngs=rngs)

    def make_heads(self, rngs: nnx.Rngs) -> None:
        """Make the projection to each part."""
        super().make_heads(rngs)
        joined, width = self.config.features + _LITE.features, self.widths["general"]
        self.general_head = nnx.Linear(joined, width, use_bias=False, rngs=rngs)

    def branches(self, x: jax.Array) -> tuple[jax.Array, jax.Array, dict[int, jax.Array]]:
        """Return the general and the special features of places, and the stages, [N, h, w, c]."""
        general, special, stages = super().branches(x)
        lite = self.lite.feature_map(x)
        return jnp.concatenate([_alike(general), _alike(lite)], axis=-1), special, stages

    def joint_features(self, x: jax.Array) -> jax.Array:
        """Return both networks' features of pictures [N, S, S, 3], [N, C]."""
        return jnp.mean(self.branches(x)[0], axis=(1, 2))

    def start_joint(self, directions: jax.Array) -> tuple[str, ...]:
        """Start *general* as the directions float32 [C, C] of both networks' features."""
        self.general_head.kernel[...] = directions[:, : self.widths["general"]]
        return ("general_head/",)


def _alike(x: jax.Array) -> jax.Array:
    """Scale the features of places [N, h, w, C] so that their mean has length 1."""
    mean = jnp.mean(x, axis=(1, 2), keepdims=True)
    return x * jax.lax.rsqrt(jnp.sum(mean * mean, axis=-1, keepdims=True) + 1e-12)
