"""A twin whose *instance* part comes from a small residual network of its own.

Recognising the kind and telling similar products apart need opposite invariances, which one
branch cannot have. The residual network sees the picture at 0.6 of its side (96 of 160 px;
half was too little) and takes a fifth of the computation.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from visearch.encoders.families.layers import on_grid, resampled
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
        general, special, stages = self.branches(x)
        instance = self.residual.features(self.branch_input(x))
        return jnp.mean(general, axis=(1, 2)), {
            **self.general_and_kind(general, special, stages),
            "instance": self.instance_head(instance),
        }

    def local(self, x: jax.Array) -> jax.Array:
        """Return what each place of pictures [N, S, S, 3] gives to the embedding, [N, g, g, d].

        The networks' places have different sizes; ``g`` is the least multiple of their numbers.
        """
        general, special, stages = self.branches(x)
        grid = special.shape[1]
        kind = jnp.concatenate([special, *(on_grid(e, grid) for e in stages.values())], axis=-1)
        instance = self.instance_head(self.residual.feature_map(self.branch_input(x)))
        finest = math.lcm(grid, instance.shape[1])
        parts = {
            "general": self.general_head(general),
            "kind": self.kind_head(kind),
            "instance": instance,
        }
        return self.interleaved({name: on_grid(each, finest) for name, each in parts.items()})

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
    """Resample [N, S, S, C] to 0.6 of its side, linearly and with anti-aliasing."""
    side = x.shape[1]
    with jax.ensure_compile_time_eval():
        weights = jax.image.resize(jnp.eye(side), (side, round(_SCALE * side)), "linear")
    return resampled(x, weights, weights)
