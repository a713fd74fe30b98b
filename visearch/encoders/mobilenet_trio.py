"""A MobileNet v2 of three branches: what it knows of everything, kinds of products, products.

The general branch is a whole ``mobilenet_v2_tf``. After its early layers two others go their
own ways, through the same layers with weights of their own: one learns what kind of thing is
seen, the other, at half the resolution, which thing it is. Each also shows its stages, where
colour and texture still are: the kind their means, the thing the means of bands, for which
top is not bottom (left and right are alike, for products are mirrored). Nothing that one of
them learns disturbs another.

The embedding has a part of each, scaled to a fixed length, so that none drowns the others.
They are interleaved, so that the first numbers hold of each what comes first in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from visearch.encoders.mobilenet_v2 import MobileNetV2, MobileNetV2Config
from visearch.encoders.naming import Naming
from visearch.errors import EncoderError

_SHARED = 4
"""Layers before the branches part, at 1/4 of the input's side."""
_STAGES = {4: 24, 7: 32, 14: 96}
"""Channels after so many layers, at 1/4, 1/8 and 1/16 of the input's side."""
_BANDS = {4: 8, 7: 2, 14: 1}
"""Bands, one above the other, of each stage of the branch at half the resolution."""


@dataclass(frozen=True, kw_only=True)
class TrioConfig(MobileNetV2Config):
    """Shape of a trio: half of the ``embedding`` is general, a quarter each of the others.

    ``general``, ``kind`` and ``instance`` are the lengths to which the parts are scaled.
    """

    general: float = 1.0
    kind: float = 1.0
    instance: float = 1.0


VARIANTS: dict[str, TrioConfig] = {
    "mobilenet_v2_trio": TrioConfig(folded=True, classes=None, embedding=256),
}


class MobileNetTrio(MobileNetV2):
    """A MobileNet v2 of three branches; ``features`` are the general one's."""

    config: TrioConfig

    def __init__(self, config: TrioConfig, *, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs=rngs)
        # Other networks' bodies, of which the layers after the shared ones are taken.
        self.kind_body = nnx.List(list(MobileNetV2(config, rngs=rngs).body)[_SHARED:])
        self.instance_body = nnx.List(list(MobileNetV2(config, rngs=rngs).body)[_SHARED:])

    def make_heads(self, rngs: nnx.Rngs) -> None:
        """Make the projection to each part."""
        width, widths = self.config.features, self.widths
        inputs = {
            "general": width,
            "kind": width + sum(_STAGES.values()),
            "instance": width + sum(_STAGES[stage] * bands for stage, bands in _BANDS.items()),
        }
        self.heads = nnx.Dict(
            {
                part: nnx.Linear(inputs[part], widths[part], use_bias=False, rngs=rngs)
                for part in widths
            }
        )

    @property
    def widths(self) -> dict[str, int]:
        """Numbers in each part of the embedding."""
        quarter = (self.config.embedding or 0) // 4
        return {"general": 2 * quarter, "kind": quarter, "instance": quarter}

    def namings(self) -> tuple[Naming, ...]:
        """There is no other checkpoint of this architecture."""
        return ()

    def features_and_parts(self, x: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Return the general features [N, C] and the parts of the embedding."""
        for layer in self.body[:_SHARED]:
            x = layer(x)
        general = x
        for layer in self.body[_SHARED:]:
            general = layer(general)
        features = _mean(general)
        seen = {"general": features, "kind": self._kind(x), "instance": self._instance(x)}
        return features, {part: self.heads[part](each) for part, each in seen.items()}

    def join(self, parts: dict[str, jax.Array]) -> jax.Array:
        """Scale the parts and interleave them: two general numbers, one of each other part."""
        config, rows = self.config, parts["kind"].shape[0]
        general = (_unit(parts["general"]) * config.general).reshape(rows, -1, 2)
        kind = (_unit(parts["kind"]) * config.kind)[:, :, None]
        instance = (_unit(parts["instance"]) * config.instance)[:, :, None]
        return jnp.concatenate([general, kind, instance], axis=2).reshape(rows, -1)

    def _kind(self, x: jax.Array) -> jax.Array:
        means = [_bands(x, 1)]
        for i, layer in enumerate(self.kind_body, start=_SHARED + 1):
            x = layer(x)
            if i in _STAGES:
                means.append(_bands(x, 1))
        return jnp.concatenate([_mean(x), *means], axis=1)

    def _instance(self, x: jax.Array) -> jax.Array:
        bands = [_bands(x, _BANDS[_SHARED])]
        x = nnx.avg_pool(x, window_shape=(2, 2), strides=(2, 2))
        for i, layer in enumerate(self.instance_body, start=_SHARED + 1):
            x = layer(x)
            if i in _BANDS:
                bands.append(_bands(x, _BANDS[i]))
        return jnp.concatenate([_mean(x), *bands], axis=1)

    def start_heads(self, directions: jax.Array) -> tuple[str, ...]:
        """Start all branches as the general one; ``directions`` are float32 [C, C]."""
        for branch in (self.kind_body, self.instance_body):
            for own, other in zip(branch, self.body[_SHARED:], strict=True):
                nnx.update(own, nnx.state(other))
        for part, width in self.widths.items():
            kernel = self.heads[part].kernel
            more = jnp.zeros((kernel.shape[0] - len(directions), width))
            kernel[...] = jnp.concatenate([directions[:, :width], more])
        return ("kind_body/", "instance_body/")


def _mean(x: jax.Array) -> jax.Array:
    return jnp.mean(x, axis=(1, 2))


def _bands(x: jax.Array, bands: int) -> jax.Array:
    """Return the means of so many bands, [N, bands · C], of [N, H, W, C]."""
    n, height, width, channels = x.shape
    if height % bands:
        raise EncoderError("a trio needs square pictures whose side is a multiple of 32 px")
    parts = x.reshape(n, bands, height // bands, width, channels)
    return jnp.mean(parts, axis=(2, 3)).reshape(n, -1)


def _unit(z: jax.Array) -> jax.Array:
    # A blank picture may give zeros, at which the gradient of a norm is not a number.
    return z * jax.lax.rsqrt(jnp.sum(z * z, axis=1, keepdims=True) + 1e-12)
