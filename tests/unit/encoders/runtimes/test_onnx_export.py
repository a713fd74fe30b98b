"""The exporter: what ONNX Runtime computes from a graph is what jax computes."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

pytest.importorskip("onnxruntime")

from visearch.encoders.runtimes.onnx import OnnxRuntime
from visearch.encoders.runtimes.onnx_export import export_onnx
from visearch.errors import ExportError

SIDE = 9
Function = Callable[[jax.Array], jax.Array]


def weights(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).normal(0, 0.3, shape), jnp.float32)


def convolve(x: jax.Array, kernel: jax.Array, stride: int, **given: object) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), dimension_numbers=("NHWC", "HWIO", "NHWC"), **given
    )


def pool(x: jax.Array) -> jax.Array:
    return nnx.max_pool(x, window_shape=(3, 3), strides=(2, 2), padding=[(1, 1), (1, 1)])


def among_zeros(x: jax.Array) -> jax.Array:
    return jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))


def pool_among_zeros(x: jax.Array) -> jax.Array:
    return nnx.max_pool(among_zeros(nnx.relu(x)), window_shape=(3, 3), strides=(2, 2))


def average(x: jax.Array) -> jax.Array:
    return nnx.avg_pool(x, window_shape=(3, 3), strides=(1, 1), padding=[(1, 1), (1, 1)])


def layer_norm(x: jax.Array) -> jax.Array:
    mean = x.mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(jnp.square(x - mean).mean(-1, keepdims=True) + 1e-6)


def squeeze_and_excite(x: jax.Array) -> jax.Array:
    means = jnp.mean(x, axis=(1, 2), keepdims=True)
    return x * nnx.sigmoid(convolve(means, weights(1, 1, 3, 3), 1, padding="VALID"))


LAYERS: dict[str, Function] = {
    "stride and uneven padding": lambda x: convolve(
        x, weights(3, 3, 3, 8), 2, padding=((0, 1), (0, 1))
    ),
    "depthwise": lambda x: convolve(
        x, weights(3, 3, 1, 3), 1, padding="SAME", feature_group_count=3
    ),
    "dilated, oblong": lambda x: convolve(
        x, weights(1, 3, 3, 4), 1, padding="VALID", rhs_dilation=(1, 2)
    ),
    "max pool of negatives": pool,
    "max pool among zeros": pool_among_zeros,
    "max pool of negatives among zeros": lambda x: pool(among_zeros(x)),
    "average pool": average,
    "relu6": nnx.relu6,
    "hard swish": nnx.hard_swish,
    "silu": nnx.silu,
    "gelu": lambda x: nnx.gelu(x, approximate=False),
    "layer norm": layer_norm,
    "squeeze and excite": squeeze_and_excite,
    "linear at every position": lambda x: x @ weights(3, 5) + weights(5),
    "channels side by side": lambda x: jnp.concatenate([x, -x], axis=-1),
    "two means interleaved": lambda x: jnp.stack((x.mean((1, 2)), x.sum((1, 2))), axis=2),
    "channels first, then flat": lambda x: x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1),
    "some channels": lambda x: jax.lax.slice_in_dim(x, 1, 3, axis=3),
    "channels interleaved": lambda x: jnp.concatenate(
        [x.reshape(*x.shape, 1), -x.reshape(*x.shape, 1)], axis=-1
    ).reshape(*x.shape[:-1], 6),
    "a constant beside": lambda x: x * weights(1, 1, 1, 3) + weights(3),
}


def both(layer: Function) -> tuple[np.ndarray, np.ndarray]:
    """Return what the engine and what jax make of three pictures and one layer."""

    def embed(pixels: jax.Array) -> jax.Array:
        y = layer(pixels.astype(jnp.float32) / 64 - 2)
        return y.reshape(y.shape[0], -1)

    pixels = np.random.default_rng(1).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
    graph = export_onnx(embed, SIDE).SerializeToString()
    return OnnxRuntime(graph, threads=1).run(pixels), np.asarray(jax.jit(embed)(pixels))


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS.keys())
def test_a_layer_computes_what_jax_computes(layer: Function) -> None:
    got, wanted = both(layer)
    np.testing.assert_allclose(got, wanted, atol=2e-5, rtol=1e-5)


def test_an_operation_without_a_rule_is_refused_by_name() -> None:
    with pytest.raises(ExportError, match="'sort'"):
        both(lambda x: jnp.sort(x, axis=-1))


def test_a_form_that_a_rule_does_not_cover_is_refused() -> None:
    with pytest.raises(ExportError, match="this form of 'reduce_sum'"):
        both(lambda x: x.sum(axis=1))


def test_a_slice_of_places_is_refused() -> None:
    with pytest.raises(ExportError, match="this form of 'slice'"):
        both(lambda x: jax.lax.slice_in_dim(x, 1, 3, axis=1))


def test_an_output_of_places_is_laid_out_as_jax_lays_it_out() -> None:
    def embed(pixels: jax.Array) -> jax.Array:
        return pixels.astype(jnp.float32) @ weights(3, 5)

    pixels = np.random.default_rng(1).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
    graph = export_onnx(embed, SIDE).SerializeToString()
    got = OnnxRuntime(graph, threads=1).run(pixels)
    assert got.shape == (3, SIDE, SIDE, 5)
    np.testing.assert_allclose(got, jax.jit(embed)(pixels), rtol=1e-4, atol=1e-3)
