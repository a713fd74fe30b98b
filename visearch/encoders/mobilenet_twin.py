"""A MobileNet v2 with two branches: what it knows of everything, what it learned of products.

The general branch is a whole ``mobilenet_v2_tf``. After its early layers the special branch
goes its own way, through the same layers with weights of its own; its head also sees the
mean of three stages, where colour and texture still are. The embedding is the projections
of both, each scaled to a fixed length, so that neither can drown the other. They are
interleaved, so that the first numbers of an embedding hold of both what matters most.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from visearch.encoders.mobilenet_v2 import MobileNetV2, MobileNetV2Config
from visearch.encoders.naming import Naming

_SHARED = 4
"""Layers before the branches part, at 1/4 of the input's side."""
_STAGES = {4: 24, 7: 32, 14: 96}
"""Channels after so many layers (at 1/4, 1/8 and 1/16 of the input's side)."""


@dataclass(frozen=True, kw_only=True)
class TwinConfig(MobileNetV2Config):
    """Shape of a twin; half of the ``embedding`` is the general part, half the special one.

    ``general_length`` is the length of the general part beside a special one of 1.
    """

    general_length: float = 1.0

    @property
    def part(self) -> int:
        """Numbers in each part."""
        return (self.embedding or 0) // 2


VARIANTS: dict[str, TwinConfig] = {
    "mobilenet_v2_twin": TwinConfig(folded=True, classes=None, embedding=256),
}


class MobileNetTwin(MobileNetV2):
    """A MobileNet v2 of two branches; ``features`` are the general one's."""

    config: TwinConfig

    def __init__(self, config: TwinConfig, *, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs=rngs)
        # Another network's body, of which the layers after the shared ones are taken.
        self.special = nnx.List(list(MobileNetV2(config, rngs=rngs).body)[_SHARED:])

    def make_heads(self, rngs: nnx.Rngs) -> None:
        """Make both projections."""
        config, width = self.config, self.config.features
        self.general_head = nnx.Linear(width, config.part, use_bias=False, rngs=rngs)
        self.special_head = nnx.Linear(
            width + sum(_STAGES.values()), config.part, use_bias=False, rngs=rngs
        )

    def namings(self) -> tuple[Naming, ...]:
        """There is no other checkpoint of this architecture."""
        return ()

    def features_and_embedding(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the general features [N, C] and the embedding [N, d] of one pass."""
        for layer in self.body[:_SHARED]:
            x = layer(x)
        general = x
        for layer in self.body[_SHARED:]:
            general = layer(general)
        features = _mean(general)
        parts = (
            _unit(self.general_head(features)) * self.config.general_length,
            _unit(self.special_head(self._special_features(x))),
        )
        return features, jnp.stack(parts, axis=2).reshape(x.shape[0], -1)

    def _special_features(self, x: jax.Array) -> jax.Array:
        stages = [_mean(x)]
        for i, layer in enumerate(self.special, start=_SHARED + 1):
            x = layer(x)
            if i in _STAGES:
                stages.append(_mean(x))
        return jnp.concatenate([_mean(x), *stages], axis=1)

    def start_heads(self, directions: jax.Array) -> tuple[str, ...]:
        """Start both branches alike: the general layers, then ``directions`` float32 [C, C]."""
        for own, other in zip(self.special, self.body[_SHARED:], strict=True):
            nnx.update(own, nnx.state(other))
        self.general_head.kernel[...] = directions[:, : self.config.part]
        stages = jnp.zeros((sum(_STAGES.values()), self.config.part))
        chosen = directions[:, : self.config.part]
        self.special_head.kernel[...] = jnp.concatenate([chosen, stages])
        return ("special/",)


def _mean(x: jax.Array) -> jax.Array:
    return jnp.mean(x, axis=(1, 2))


def _unit(z: jax.Array) -> jax.Array:
    # A blank picture may give zeros, at which the gradient of a norm is not a number.
    return z * jax.lax.rsqrt(jnp.sum(z * z, axis=1, keepdims=True) + 1e-12)
