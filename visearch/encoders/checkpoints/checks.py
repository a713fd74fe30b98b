"""Whether an encoder's file is sound: exact keys, finite weights, embeddings of length 1."""

from __future__ import annotations

import numpy as np

from visearch.encoders.checkpoints.weights import load_safetensors
from visearch.encoders.encoder import Encoder
from visearch.encoders.spec import EncoderSpec
from visearch.errors import WeightsMismatch


def check(spec: EncoderSpec) -> None:
    """Load the encoder as a worker would, and embed two pictures.

    Raises:
        UnknownEncoder: there is no such architecture.
        WeightsMismatch: a key or shape differs, a weight is not finite, or what it gives
            is no embedding.
    """
    tensors = load_safetensors(spec.weights)
    broken = [key for key, value in tensors.items() if not np.isfinite(value).all()]
    if broken:
        raise WeightsMismatch(f"{spec.weights.name} has weights that are not finite: {broken}")
    encoder = Encoder(spec, buckets=(2,))
    noise = np.random.default_rng(0).integers(0, 256, (2, encoder.size, encoder.size, 3), np.uint8)
    vectors = encoder.embed_pixels(noise)
    lengths = np.linalg.norm(vectors, axis=1)
    if vectors.shape != (2, spec.dimension) or not np.allclose(lengths, 1, atol=1e-3):
        raise WeightsMismatch(
            f"{spec.weights.name} gives no embeddings: {list(vectors.shape)}, lengths {lengths}"
        )
