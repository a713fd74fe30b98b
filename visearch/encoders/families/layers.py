"""Building blocks that several families share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx

from visearch.encoders.families.depthwise import DepthwiseConv, Padding, PointwiseConv

Activation = Callable[[jax.Array], jax.Array]

kernel_init = nnx.initializers.variance_scaling(2.0, "fan_out", "normal")
"""He et al. 2015 (arXiv:1502.01852), for layers before a rectifier."""


@dataclass(frozen=True)
class Norm:
    """The constants of batch norm; ``momentum`` is the share of the running mean that is kept."""

    epsilon: float = 1e-5
    momentum: float = 0.9


class ConvNorm(nnx.Module):
    """Convolution, batch norm (None: folded away) and activation (None: linear).

    Without ``padding``, the output has the input's size at a stride of 1.
    """

    def __init__(
        self,
        cin: int,
        cout: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: Padding | None = None,
        depthwise: bool = False,
        use_bias: bool = False,
        norm: Norm | None = Norm(),
        activation: Activation | None = nnx.relu,
        rngs: nnx.Rngs,
    ) -> None:
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        if padding is None:
            padding = ((height // 2, height // 2), (width // 2, width // 2))
        if depthwise:
            conv: nnx.Module = DepthwiseConv(
                cout, height, stride=stride, padding=padding, use_bias=use_bias, rngs=rngs
            )
        elif (height, width, stride) == (1, 1, 1):
            conv = PointwiseConv(cin, cout, use_bias=use_bias, rngs=rngs)
        else:
            conv = nnx.Conv(
                cin,
                cout,
                (height, width),
                strides=(stride, stride),
                padding=padding,
                use_bias=use_bias,
                kernel_init=kernel_init,
                rngs=rngs,
            )
        self.activation = activation
        self.layers: nnx.List[nnx.Module] = nnx.List([conv])
        if norm is not None:
            self.layers.append(
                nnx.BatchNorm(cout, momentum=norm.momentum, epsilon=norm.epsilon, rngs=rngs)
            )

    def __call__(self, x: jax.Array) -> jax.Array:
        """Map float [N, H, W, cin] to [N, H', W', cout]."""
        for layer in self.layers:
            x = layer(x)
        return x if self.activation is None else self.activation(x)


class SqueezeExcite(nnx.Module):
    """Weight the channels by a function of their means (Hu et al., arXiv:1709.01507)."""

    def __init__(
        self,
        channels: int,
        squeezed: int,
        *,
        activation: Activation,
        gate: Activation,
        rngs: nnx.Rngs,
    ) -> None:
        self.fc1 = nnx.Conv(channels, squeezed, (1, 1), kernel_init=kernel_init, rngs=rngs)
        self.fc2 = nnx.Conv(squeezed, channels, (1, 1), kernel_init=kernel_init, rngs=rngs)
        self.activation, self.gate = activation, gate

    def __call__(self, x: jax.Array) -> jax.Array:
        """Weight the channels of float [N, H, W, channels]."""
        weight = self.activation(self.fc1(jnp.mean(x, axis=(1, 2), keepdims=True)))
        return x * self.gate(self.fc2(weight))


def stochastic_depth(rate: float, rngs: nnx.Rngs) -> nnx.Dropout:
    """Drop a whole branch [N, H, W, C] of random pictures (arXiv:1603.09382)."""
    return nnx.Dropout(rate, broadcast_dims=(1, 2, 3), rngs=rngs)


def max_pool(x: jax.Array, window: int, stride: int, padding: int = 0) -> jax.Array:
    """Pool float [N, H, W, C] that is never negative, as after a ReLU.

    The zero padding is explicit, because exporters are known to drop a pool's own.
    """
    if padding:
        sides = (padding, padding)
        x = jnp.pad(x, ((0, 0), sides, sides, (0, 0)))
    pooled: jax.Array = nnx.max_pool(x, window_shape=(window, window), strides=(stride, stride))
    return pooled


def resampled(x: jax.Array, rows: npt.ArrayLike, columns: npt.ArrayLike) -> jax.Array:
    """Resample [N, H, W, C] by ``rows`` [H, h] and ``columns`` [W, w]: [N, h, w, C].

    It is two products with constants, because no engine's resampling is exactly JAX's.
    """
    x = jnp.transpose(x, (0, 1, 3, 2)) @ jnp.asarray(columns, x.dtype)  # [N, H, C, w]
    x = jnp.transpose(x, (0, 2, 3, 1)) @ jnp.asarray(rows, x.dtype)  # [N, C, w, h]
    return jnp.transpose(x, (0, 3, 2, 1))


def on_grid(x: jax.Array, side: int) -> jax.Array:
    """Average [N, H, W, C] over ``side`` × ``side`` cells, which may overlap, or repeat places.

    Where one side is a multiple of the other, the mean over all places stays the same.
    """
    return resampled(x, _cells(x.shape[1], side), _cells(x.shape[2], side))


def _cells(length: int, side: int) -> npt.NDArray[np.float32]:
    """Return weights [length, side]: column i averages ⌊i·length/side⌋ to ⌈(i+1)·length/side⌉."""
    weights = np.zeros((length, side), np.float32)
    for i in range(side):
        start, end = i * length // side, -((i + 1) * length // -side)
        weights[start:end, i] = 1 / (end - start)
    return weights


def rounded_channels(channels: float) -> int:
    """Round to a multiple of 8, but never down by more than a tenth."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
