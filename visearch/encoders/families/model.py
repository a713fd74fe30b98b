"""What every CNN family has in common: pictures → pooled features → logits or an embedding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import jax
import jax.numpy as jnp
from flax import nnx

from visearch.encoders.families.naming import Naming
from visearch.errors import EncoderError


class Config(Protocol):
    """The fields that all families' configs have.

    ``classes`` adds a classifier, ``embedding`` a linear projection of the features.
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

    Families define ``feature_map`` and, where a checkpoint has a classifier, ``classify``.
    """

    joins = False
    """Whether it projects the features of several networks together (``joint_features``)."""

    def __init__(self, config: Config, *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.make_heads(rngs)

    def make_heads(self, rngs: nnx.Rngs) -> None:
        """Make the layers that turn features into an embedding."""
        config = self.config
        if config.embedding is not None:
            self.head = nnx.Linear(config.features, config.embedding, use_bias=False, rngs=rngs)

    def namings(self) -> tuple[Naming, ...]:
        """The names that published checkpoints of this model use, besides visearch's own."""
        return ()

    def feature_map(self, x: jax.Array) -> jax.Array:
        """Map normalised float32 pictures [N, H, W, 3] to features of places [N, h, w, C]."""
        raise NotImplementedError

    def features(self, x: jax.Array) -> jax.Array:
        """Pool normalised float32 pictures [N, H, W, 3] to features [N, C]."""
        return jnp.mean(self.feature_map(x), axis=(1, 2))

    def classify(self, features: jax.Array) -> jax.Array:
        """Classify pooled features [N, C]: logits [N, classes]."""
        raise NotImplementedError

    def logits(self, x: jax.Array) -> jax.Array:
        """Classify normalised float32 pictures [N, H, W, 3]: logits [N, classes].

        Raises:
            EncoderError: the model has no classifier.
        """
        self.require_classifier()
        return self.classify(self.features(x))

    def require_classifier(self) -> None:
        """Raise EncoderError if the model has no classifier."""
        if self.config.classes is None:
            raise EncoderError(
                "The model has no classifier. Load a checkpoint that has one, with classes=N."
            )

    def embed(self, x: jax.Array) -> jax.Array:
        """Embed normalised float32 pictures [N, H, W, 3]: unnormalised [N, d]."""
        return self.features_and_embedding(x)[1]

    def features_and_embedding(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the features [N, C] and the embedding [N, d] of one pass."""
        features, parts = self.features_and_parts(x)
        return features, self.join(parts)

    @property
    def widths(self) -> dict[str, int]:
        """Numbers in each named part of the embedding; most models have one part, ``all``."""
        return {"all": self.config.embedding or self.config.features}

    def features_and_parts(self, x: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Return the features [N, C] and the parts of the embedding, [N, width] each."""
        features = self.features(x)
        return features, {"all": features if self.config.embedding is None else self.head(features)}

    def join(self, parts: dict[str, jax.Array]) -> jax.Array:
        """Join the parts into the embedding [N, d]."""
        return parts["all"]

    def local(self, x: jax.Array) -> jax.Array:
        """Return what each place of pictures [N, H, W, 3] gives to the embedding, [N, h, w, d].

        The mean over the places is the embedding before its parts are scaled: a projection of
        pooled features is the mean of the projected features.

        Raises:
            EncoderError: the embedding of this architecture is not such a mean.
        """
        places = self.feature_map(x)
        return places if self.config.embedding is None else self.head(places)

    def start_heads(self, directions: Callable[[], jax.Array]) -> tuple[str, ...]:
        """Initialise the projection with the principal directions of the features.

        ``directions()`` computes them, float32 [C, C], strongest first; it is slow. Returns
        the prefixes of parameter names that now have pretrained weights, rather than a first
        guess.
        """
        self.head.kernel[...] = directions()[:, : self.config.embedding]
        return ()

    def joint_features(self, x: jax.Array) -> jax.Array:
        """Return the features of several networks, side by side, of pictures [N, S, S, 3]."""
        raise NotImplementedError

    def start_joint(self, directions: jax.Array) -> tuple[str, ...]:
        """Initialise the projection of these features with their principal directions [C, C].

        Returns the prefixes of parameter names filled.
        """
        raise NotImplementedError

    def branch_input(self, x: jax.Array) -> jax.Array:
        """Return the input, for pictures [N, S, S, 3], of a branch that is a whole network."""
        return x

    def start_branch(self, projection: jax.Array) -> tuple[str, ...]:
        """Initialise the layer after such a branch with ``projection`` float32 [C, d].

        The strongest directions come first. Returns the prefixes of parameter names filled.
        """
        return ()
