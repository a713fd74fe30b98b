"""A MobileNet v2 of two branches: one knows pictures in general, one has learned products.

The general branch is a whole ``mobilenet_v2_tf``. The special branch shares its early layers
and then has the same layers with weights of its own. The embedding has three parts, each
scaled to a fixed length so that none dominates: *general*, the features of the general
branch; *kind*, the kind of product; *instance*, which product it is. The last two also see
three earlier stages, which still have colour and texture: *kind* sees their means, *instance*
the means of horizontal bands, so that it can tell top from bottom (but not left from right,
because training mirrors products). The parts are interleaved, so that the first numbers of
an embedding contain the first numbers of each part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from flax import nnx

from visearch.encoders.families.mobilenet_v2 import MobileNetV2, MobileNetV2Config
from visearch.encoders.families.naming import Naming
from visearch.encoders.layout import RATIOS
from visearch.errors import EncoderError

_SHARED = 4
"""Layers that the branches share; they end at 1/4 of the input's side."""
_STAGES = {4: (24, 8), 7: (32, 4), 14: (96, 2)}
"""By number of layers: channels (at 1/4, 1/8 and 1/16 of the input's side), and the number of
horizontal bands that are averaged.
"""
_MEANS = sum(channels for channels, _ in _STAGES.values())
_BANDS = sum(channels * bands for channels, bands in _STAGES.values())


VARIANTS: dict[str, MobileNetV2Config] = {
    "mobilenet_v2_twin": MobileNetV2Config(folded=True, classes=None, embedding=256),
}


class MobileNetTwin(MobileNetV2):
    """A MobileNet v2 of two branches; ``features`` are those of the general branch."""

    ratios: Mapping[str, int] = RATIOS["mobilenet_v2_twin"]
    """How many numbers of each part follow one another in an embedding."""

    instance_length = 1.0
    """Length of the *instance* part; the others have length 1."""

    def __init__(self, config: MobileNetV2Config, *, rngs: nnx.Rngs) -> None:
        super().__init__(config, rngs=rngs)
        # The layers after the shared ones, taken from another network's body.
        self.special = nnx.List(list(MobileNetV2(config, rngs=rngs).body)[_SHARED:])

    def make_heads(self, rngs: nnx.Rngs) -> None:
        """Make the projection to each part."""
        width, widths = self.config.features, self.widths

        def head(inputs: int, part: str) -> nnx.Linear:
            return nnx.Linear(inputs, widths[part], use_bias=False, rngs=rngs)

        self.general_head = head(width, "general")
        self.kind_head = head(width + _MEANS, "kind")
        self.instance_head = head(width + _BANDS, "instance")

    @property
    def widths(self) -> dict[str, int]:
        """Numbers in each part of the embedding."""
        cycles = (self.config.embedding or 0) // sum(self.ratios.values())
        return {name: count * cycles for name, count in self.ratios.items()}

    def namings(self) -> tuple[Naming, ...]:
        """None: nobody else publishes checkpoints of this architecture."""
        return ()

    def features_and_parts(self, x: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Return the general features [N, C] and the parts of the embedding."""
        general, special, stages = self.branches(x)
        bands = [_bands(each, _STAGES[stage][1]) for stage, each in stages.items()]
        return _mean(general), {
            **self.general_and_kind(general, special, stages),
            "instance": self.instance_head(jnp.concatenate([_mean(special), *bands], axis=1)),
        }

    def local(self, x: jax.Array) -> jax.Array:
        """Refuse: the part *instance* weights the bands of a picture differently."""
        raise EncoderError("A mobilenet_v2_twin has no local embeddings.")

    def branches(self, x: jax.Array) -> tuple[jax.Array, jax.Array, dict[int, jax.Array]]:
        """Return both branches' features of places, and the stages by layer, [N, h, w, c]."""
        for layer in self.body[:_SHARED]:
            x = layer(x)
        general = x
        for layer in self.body[_SHARED:]:
            general = layer(general)
        stages = {_SHARED: x}
        for i, layer in enumerate(self.special, start=_SHARED + 1):
            x = layer(x)
            if i in _STAGES:
                stages[i] = x
        return general, x, stages

    def general_and_kind(
        self, general: jax.Array, special: jax.Array, stages: dict[int, jax.Array]
    ) -> dict[str, jax.Array]:
        """Return the parts *general* and *kind*, [N, width] each."""
        means = [_mean(each) for each in (special, *stages.values())]
        return {
            "general": self.general_head(_mean(general)),
            "kind": self.kind_head(jnp.concatenate(means, axis=1)),
        }

    def join(self, parts: dict[str, jax.Array]) -> jax.Array:
        """Scale the parts and interleave them."""
        lengths = {"instance": self.instance_length}
        scaled = {name: _unit(z) * lengths.get(name, 1.0) for name, z in parts.items()}
        return self.interleaved(scaled)

    def interleaved(self, parts: dict[str, jax.Array]) -> jax.Array:
        """Interleave the numbers of the parts [..., width]."""
        rows = next(iter(parts.values())).shape[:-1]
        groups = [parts[name].reshape(*rows, -1, count) for name, count in self.ratios.items()]
        return jnp.concatenate(groups, axis=-1).reshape(*rows, -1)

    def start_heads(self, directions: Callable[[], jax.Array]) -> tuple[str, ...]:
        """Start both branches with the general layers and directions float32 [C, C]."""
        best = directions()
        for own, other in zip(self.special, self.body[_SHARED:], strict=True):
            nnx.update(own, nnx.state(other))
        for part, width in self.widths.items():
            kernel = getattr(self, f"{part}_head").kernel
            more = jnp.zeros((kernel.shape[0] - len(best), width))
            kernel[...] = jnp.concatenate([best[:, :width], more])
        return ("special/",)


def _mean(x: jax.Array) -> jax.Array:
    return jnp.mean(x, axis=(1, 2))


def _bands(x: jax.Array, bands: int) -> jax.Array:
    """Average [N, H, W, C] over horizontal bands: [N, bands · C]."""
    n, height, width, channels = x.shape
    if height % bands:
        raise EncoderError("This architecture needs pictures whose side is a multiple of 32 px.")
    parts = x.reshape(n, bands, height // bands, width, channels)
    return jnp.mean(parts, axis=(2, 3)).reshape(n, -1)


def _unit(z: jax.Array) -> jax.Array:
    # A blank picture may give zeros, where the gradient of the norm is NaN.
    return z * jax.lax.rsqrt(jnp.sum(z * z, axis=1, keepdims=True) + 1e-12)
