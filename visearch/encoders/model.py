"""The shape every CNN family shares: pictures → pooled features → logits or an embedding."""

from __future__ import annotations

from typing import Protocol

import jax
from flax import nnx


class Config(Protocol):
    """What all families' configs have in common.

    ``classes`` adds a classifier; ``embedding`` a linear projection of the features.
    """

    @property
    def classes(self) -> int | None:
        """Outputs of the classifier; None: the model has none."""

    @property
    def embedding(self) -> int | None:
        """Length of the projected embedding; None: the features are the embedding."""

    @property
    def features(self) -> int:
        """Channels of the pooled features."""


class Model(nnx.Module):
    """A CNN. ``model.eval()`` switches batch norm and dropout to inference.

    Families define ``features`` and, where a checkpoint has a classifier, ``classify``.
    """

    def __init__(self, config: Config, *, rngs: nnx.Rngs) -> None:
        self.config = config
        if config.embedding is not None:
            self.head = nnx.Linear(config.features, config.embedding, use_bias=False, rngs=rngs)

    def features(self, x: jax.Array) -> jax.Array:
        """Pool normalised float32 pictures [N, H, W, 3] to features [N, C]."""
        raise NotImplementedError

    def classify(self, features: jax.Array) -> jax.Array:
        """Classify pooled features [N, C]: logits [N, classes]."""
        raise NotImplementedError

    def logits(self, x: jax.Array) -> jax.Array:
        """Classify normalised float32 pictures [N, H, W, 3]: logits [N, classes]."""
        return self.classify(self.features(x))

    def embed(self, x: jax.Array) -> jax.Array:
        """Embed normalised float32 pictures [N, H, W, 3]: unnormalised [N, d]."""
        features = self.features(x)
        return features if self.config.embedding is None else self.head(features)
