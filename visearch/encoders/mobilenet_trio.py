"""A MobileNet v2 of three branches: what it knows of everything, kinds of products, products.

The general branch is a whole ``mobilenet_v2_tf``. After its early layers two others go their
own ways, through the same layers with weights of their own: one learns what kind of thing is
seen, and sees the means of three stages too, where colour and texture still are. A shorter
one learns which thing it is: it shows the means of bands, for which top is not bottom (left
and right are alike, for products are mirrored), beside what the branch of kinds sees, which
it must not change.

The embedding has a part of each, scaled to a fixed length, so that none drowns the others.
They are interleaved, so that the first numbers hold of each what comes first in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import jax
import jax.numpy as jnp
from flax import nnx

from visearch.encoders.mobilenet_v2 import InvertedResidual, MobileNetV2, MobileNetV2Config
from visearch.encoders.naming import Naming
from visearch.errors import EncoderError

_SHARED = 4
"""Layers before the branches part, at 1/4 of the input's side."""
_INSTANCE = 11
"""Layers of the shorter branch, at 1/16; it ends in the first convolution of the next."""
_STAGES = {4: 24, 7: 32, 14: 96}
"""Channels after so many layers, at 1/4, 1/8 and 1/16 of the input's side."""
_BANDS = {4: (24, 8), 7: (32, 4), _INSTANCE: (384, 2)}
"""Channels, and the bands one above the other, of what the shorter branch shows."""


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
        self.kind_body = nnx.List(_kind_layers(MobileNetV2(config, rngs=rngs)))
        self.instance_body = nnx.List(_instance_layers(MobileNetV2(config, rngs=rngs)))

    def make_heads(self, rngs: nnx.Rngs) -> None:
        """Make the projection to each part."""
        width, widths = self.config.features, self.widths
        inputs = {
            "general": width,
            "kind": width + sum(_STAGES.values()),
            "instance": width + sum(channels * bands for channels, bands in _BANDS.values()),
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
        features, (kind, means) = _mean(general), self._kind(x)
        seen = {
            "general": features,
            "kind": jnp.concatenate([kind, *means], axis=1),
            "instance": jnp.concatenate([jax.lax.stop_gradient(kind), *self._bands(x)], axis=1),
        }
        return features, {part: self.heads[part](each) for part, each in seen.items()}

    def join(self, parts: dict[str, jax.Array]) -> jax.Array:
        """Scale the parts and interleave them: two general numbers, one of each other part."""
        config, rows = self.config, parts["kind"].shape[0]
        general = (_unit(parts["general"]) * config.general).reshape(rows, -1, 2)
        kind = (_unit(parts["kind"]) * config.kind)[:, :, None]
        instance = (_unit(parts["instance"]) * config.instance)[:, :, None]
        return jnp.concatenate([general, kind, instance], axis=2).reshape(rows, -1)

    def _kind(self, x: jax.Array) -> tuple[jax.Array, list[jax.Array]]:
        """Return the branch's features [N, C] and the means of the stages before."""
        means = [_mean(x)]
        for i, layer in enumerate(self.kind_body, start=_SHARED + 1):
            x = layer(x)
            if i in _STAGES:
                means.append(_mean(x))
        return _mean(x), means

    def _bands(self, x: jax.Array) -> list[jax.Array]:
        bands = [_band_means(x, _SHARED)]
        for i, layer in enumerate(self.instance_body, start=_SHARED + 1):
            x = layer(x)
            if i in _BANDS and i != _INSTANCE:
                bands.append(_band_means(x, i))
        return [*bands, _band_means(x, _INSTANCE)]

    def start_heads(self, directions: jax.Array) -> tuple[str, ...]:
        """Start all branches as the general one; ``directions`` are float32 [C, C]."""
        for own, layers in (
            (self.kind_body, _kind_layers(self)),
            (self.instance_body, _instance_layers(self)),
        ):
            for layer, other in zip(own, layers, strict=True):
                nnx.update(layer, nnx.state(other))
        for part, width in self.widths.items():
            kernel = self.heads[part].kernel
            more = jnp.zeros((kernel.shape[0] - len(directions), width))
            kernel[...] = jnp.concatenate([directions[:, :width], more])
        return ("kind_body/", "instance_body/")


def _kind_layers(model: MobileNetV2) -> list[nnx.Module]:
    return list(model.body)[_SHARED:]


def _instance_layers(model: MobileNetV2) -> list[nnx.Module]:
    layers = list(model.body)
    widen = cast(InvertedResidual, layers[_INSTANCE]).conv[0]
    return [*layers[_SHARED:_INSTANCE], widen]


def _mean(x: jax.Array) -> jax.Array:
    return jnp.mean(x, axis=(1, 2))


def _band_means(x: jax.Array, stage: int) -> jax.Array:
    """Return the means of a stage's bands, [N, bands · C], of [N, H, W, C]."""
    (n, height, width, channels), (_, bands) = x.shape, _BANDS[stage]
    if height % bands:
        raise EncoderError("a trio needs pictures whose height is a multiple of 32 px")
    parts = x.reshape(n, bands, height // bands, width, channels)
    return jnp.mean(parts, axis=(2, 3)).reshape(n, -1)


def _unit(z: jax.Array) -> jax.Array:
    # A blank picture may give zeros, at which the gradient of a norm is not a number.
    return z * jax.lax.rsqrt(jnp.sum(z * z, axis=1, keepdims=True) + 1e-12)
