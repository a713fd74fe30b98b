"""The twin: parts of one length, interleaved so that a cut leaves some of each."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from visearch.encoders.families.mobilenet_twin import VARIANTS, MobileNetTwin
from visearch.encoders.runtimes import flax_export
from visearch.encoders.runtimes.export import TOLERANCE, require_close
from visearch.encoders.runtimes.onnx import OnnxRuntime
from visearch.errors import EncoderError
from visearch.images import Preprocess

PREPROCESS = Preprocess(size=64, fit="stretch", mean=(0.5,) * 3, std=(0.5,) * 3)
CONFIG = VARIANTS["mobilenet_v2_twin"]


def test_parts_have_their_lengths_and_places() -> None:
    model = MobileNetTwin(CONFIG, rngs=nnx.Rngs(0))
    assert model.widths == {"general": 128, "kind": 64, "instance": 64}
    rng = np.random.default_rng(0)
    parts = {name: rng.normal(size=(3, width)) for name, width in model.widths.items()}
    z = np.asarray(model.join({name: jnp.asarray(part) for name, part in parts.items()}))
    assert z.shape == (3, 256)
    places = {"general": np.flatnonzero(np.arange(256) % 4 < 2)}
    places |= {"kind": np.arange(2, 256, 4), "instance": np.arange(3, 256, 4)}
    for name, part in parts.items():
        expected = part / np.linalg.norm(part, axis=1, keepdims=True)
        np.testing.assert_allclose(z[:, places[name]], expected, atol=1e-6)


def test_a_twin_that_was_just_started_is_exported() -> None:
    """Zeros among constant weights: a flag of XLA once made vectors at random of them."""
    model = MobileNetTwin(CONFIG, rngs=nnx.Rngs(0))
    directions = np.linalg.qr(np.random.default_rng(0).normal(size=(1280, 1280)))[0]
    model.start_heads(lambda: jnp.asarray(directions, jnp.float32) * 1e3)
    model.eval()
    graph, pixels, wanted = flax_export.of_model(model, PREPROCESS, 256)
    assert np.abs(np.linalg.norm(wanted, axis=1) - 1).max() < 1e-3
    require_close(OnnxRuntime(graph, threads=1).run(pixels), wanted, TOLERANCE["float32"], "a twin")


def test_parts_come_with_the_features_of_the_general_branch() -> None:
    model = MobileNetTwin(CONFIG, rngs=nnx.Rngs(0))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 64, 64, 3)), jnp.float32)
    features, parts = model.features_and_parts(x)
    np.testing.assert_allclose(features, model.features(x), atol=1e-6)
    with pytest.raises(EncoderError, match="multiple of 32"):
        model.embed(x[:, :60])
    assert {name: part.shape for name, part in parts.items()} == {
        name: (2, width) for name, width in model.widths.items()
    }
