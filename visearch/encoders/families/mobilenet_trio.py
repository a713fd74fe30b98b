"""A twin whose *instance* part comes from a small residual network of its own.

Recognising the kind and telling similar products apart need opposite invariances, which one
branch cannot have. The residual network sees the picture at 0.6 of its side (96 of 160 px;
half was too little) and takes a fifth of the computation.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from visearch.encoders.families.mobilenet_twin import MobileNetTwin
from visearch.encoders.families.mobilenet_v2 import MobileNetV2Config
from visearch.encoders.families.resnet import ResNet, ResNetConfig

VARIANTS: dict[str, MobileNetV2Config] = {
    "mobilenet_v2_trio": MobileNetV2Config(folded=True, classes=None, embedding=256),
}
_SCALE = 0.6
_RESIDUAL = ResNetConfig(block="basic", depths=(2, 2, 2, 2), width=32, classes=None)


class MobileNetTrio(MobileNetTwin):
    """A twin and a residual network; training starts from a twin."""

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
        instance = self.residual.features(self.branch_input(x))
        return features, {
            **self.general_and_kind(features, special, stages),
            "instance": self.instance_head(instance),
        }

    def branch_input(self, x: jax.Array) -> jax.Array:
        """Return the residual network's input for pictures [N, S, S, 3]."""
        return _shrink(x)

    def start_heads(self, directions: Callable[[], jax.Array]) -> tuple[str, ...]:
        """Change nothing: the twin's heads are filled already, ``start_branch`` fills the other."""
        return ()

    def start_branch(self, projection: jax.Array) -> tuple[str, ...]:
        """Start the *instance* part as ``projection`` float32 [C, d] of the residual features."""
        self.instance_head.kernel[...] = projection[:, : self.widths["instance"]]
        return ("instance_head/",)


def _shrink(x: jax.Array) -> jax.Array:
    """Resample [N, S, S, C] to 0.6 of its side, linearly and with anti-aliasing.

    It is two products with constants, because no engine's resampling is exactly JAX's.
    """
    side = x.shape[1]
    with jax.ensure_compile_time_eval():
        weights = jax.image.resize(jnp.eye(side), (side, round(_SCALE * side)), "linear")
    x = jnp.transpose(x, (0, 1, 3, 2)) @ weights  # [N, H, C, W]
    x = jnp.transpose(x, (0, 2, 3, 1)) @ weights  # [N, C, W, H]
    return jnp.transpose(x, (0, 3, 2, 1))
