"""A twin whose part for single products comes from a small residual network of its own.

To know kinds and to tell one product from its like pull one branch two ways: the first should
not see what the second lives on. The residual network looks at half the resolution, which
is what it was found to need, and costs a fifth of the whole.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
from flax import nnx

from visearch.encoders.mobilenet_twin import MobileNetTwin
from visearch.encoders.mobilenet_v2 import MobileNetV2Config
from visearch.encoders.resnet import ResNet, ResNetConfig

VARIANTS: dict[str, MobileNetV2Config] = {
    "mobilenet_v2_trio": MobileNetV2Config(folded=True, classes=None, embedding=256),
}
_RESIDUAL = ResNetConfig(block="basic", depths=(2, 2, 2, 2), width=32, classes=None)


class MobileNetTrio(MobileNetTwin):
    """A twin and a residual network; starts from a twin."""

    instance_length = 0.6

    def __init__(self, config: MobileNetV2Config, *, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs=rngs)
        self.residual = ResNet(_RESIDUAL, rngs=rngs)

    def make_heads(self, rngs: nnx.Rngs) -> None:
        """Make the projection to each part."""
        super().make_heads(rngs)
        width = self.widths["instance"]
        self.instance_head = nnx.Linear(_RESIDUAL.features, width, use_bias=False, rngs=rngs)

    def features_and_parts(self, x: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Return the general features [N, C] and the parts of the embedding."""
        features, special, stages = self.branches(x)
        small = nnx.avg_pool(x, (2, 2), strides=(2, 2))
        return features, {
            **self.general_and_kind(features, special, stages),
            "instance": self.instance_head(self.residual.features(small)),
        }

    def start_heads(self, directions: Callable[[], jax.Array]) -> tuple[str, ...]:
        """Change nothing: a twin's heads are filled, and the other one has no pretrained start."""
        return ()
