"""The Flax side of an export: the model as a graph, and what it must give."""

from __future__ import annotations

import jax
import numpy as np
import numpy.typing as npt
from flax import nnx

from visearch.encoders import registry
from visearch.encoders.checkpoints.verified import load_verified
from visearch.encoders.families.depthwise import DepthwiseConv, PointwiseConv
from visearch.encoders.families.model import Model
from visearch.encoders.runtimes.fold import fold_batch_norm
from visearch.encoders.runtimes.network import FUNCTIONS
from visearch.encoders.runtimes.onnx_export import export_onnx
from visearch.encoders.runtimes.options import Output
from visearch.encoders.spec import EncoderSpec
from visearch.images import Preprocess

CHECKED = 4
"""Number of pictures that an export is checked on."""


def make(
    spec: EncoderSpec, output: Output = "embedding"
) -> tuple[bytes, npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Return the graph of ``spec``, pictures uint8 [n, S, S, 3] and Flax's output for them.

    Raises:
        EncoderError: the architecture has no local embeddings.
        ExportError: the network uses an operation that has no rule.
        WeightsMismatch: the weights do not fit the architecture.
    """
    with jax.default_device(jax.devices("cpu")[0]):
        return of_model(load(spec), spec.preprocess, spec.dimension, output)


def of_model(
    model: Model, preprocess: Preprocess, dimension: int, output: Output = "embedding"
) -> tuple[bytes, npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Do the same for a model in inference mode; its batch norms are folded in place."""
    pixels, function = pictures(preprocess.size), FUNCTIONS[output]
    wanted = np.asarray(jax.jit(function(model, preprocess, dimension))(pixels))
    fold_batch_norm(model, preprocess.size)
    for _, layer in nnx.iter_graph(model):
        if isinstance(layer, DepthwiseConv | PointwiseConv):
            layer.portable = True
    graph = export_onnx(function(model, preprocess, dimension), preprocess.size)
    return graph.SerializeToString(), pixels, wanted


def load(spec: EncoderSpec) -> Model:
    """Load the model of an encoder, for inference.

    Raises:
        UnknownEncoder: there is no such architecture.
        WeightsMismatch: the weights do not fit it, or the file was replaced in the meantime.
    """
    variant = registry.VARIANTS.get(spec.architecture)
    embedding = variant.embedding if variant else None
    tensors = load_verified(spec)
    if "head.weight" in tensors:
        embedding = tensors["head.weight"].shape[0]
    model = registry.filled(spec.architecture, tensors, classes=None, embedding=embedding)
    model.eval()
    return model


def pictures(size: int) -> npt.NDArray[np.uint8]:
    """Return a few fixed pictures of gradients and noise, uint8 [n, size, size, 3]."""
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 255, (CHECKED, 2, 2, 3))
    ramp = np.linspace(0, 1, size)
    rows = np.stack([1 - ramp, ramp])
    shades = np.einsum("nabc,ah,bw->nhwc", corners, rows, rows)
    noise = rng.normal(0, 40, (CHECKED, size, size, 3))
    clipped: npt.NDArray[np.uint8] = np.clip(shades + noise, 0, 255).astype(np.uint8)
    return clipped
