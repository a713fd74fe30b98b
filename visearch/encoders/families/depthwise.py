"""Depthwise convolution, in the form that each kind of device computes fast.

XLA has no fast depthwise kernel for CPUs. There, the sum of shifted products below is 8 times
faster, and its gradient 15 times (docs/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

Sides = tuple[tuple[int, int], tuple[int, int]]
"""Rows (before, after), columns (before, after)."""
Padding = Sides | Literal["SAME"]
"""``SAME`` is TensorFlow's: as little as the output's size needs, the odd one after."""


class DepthwiseConv(nnx.Module):
    """One k×k filter per channel; ``kernel`` is [k, k, 1, C] like a grouped ``nnx.Conv``.

    With ``portable`` set, as for an export, it is the plain XLA operation on every device.
    """

    def __init__(
        self,
        channels: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: Padding,
        use_bias: bool = False,
        rngs: nnx.Rngs,
    ) -> None:
        init = nnx.initializers.variance_scaling(2.0, "fan_out", "normal")
        self.kernel = nnx.Param(init(rngs.params(), (kernel, kernel, 1, channels)))
        self.bias = nnx.Param(jnp.zeros(channels)) if use_bias else None
        self.stride, self.padding, self.portable = stride, padding, False

    def __call__(self, x: jax.Array) -> jax.Array:
        """Filter float [N, H, W, C] → [N, H', W', C]."""
        kernel = self.kernel[...].astype(x.dtype)
        convolve = _plain if self.portable else depthwise
        y = convolve(x, kernel, self.stride, self._sides(x))
        return y if self.bias is None else y + self.bias[...].astype(y.dtype)

    def _sides(self, x: jax.Array) -> Sides:
        if self.padding != "SAME":
            return self.padding
        window, strides = self.kernel.shape[:2], (self.stride, self.stride)
        rows, columns = jax.lax.padtype_to_pads(x.shape[1:3], window, strides, "SAME")
        return rows, columns


class PointwiseConv(nnx.Conv):
    """A 1×1 convolution; on CPUs a matrix product, whose gradient is 3 times faster."""

    portable = False

    def __init__(self, cin: int, cout: int, *, use_bias: bool, rngs: nnx.Rngs) -> None:
        init = nnx.initializers.variance_scaling(2.0, "fan_out", "normal")
        super().__init__(cin, cout, (1, 1), use_bias=use_bias, kernel_init=init, rngs=rngs)

    def __call__(self, inputs: jax.Array, out_sharding: Any = None) -> jax.Array:
        """Map float [N, H, W, cin] to [N, H, W, cout]."""
        x = inputs
        if self.portable or jax.default_backend() != "cpu":
            return super().__call__(x, out_sharding)
        kernel = self.kernel[...].astype(x.dtype)
        y = (x.reshape(-1, x.shape[-1]) @ kernel[0, 0]).reshape(*x.shape[:-1], -1)
        return y if self.bias is None else y + self.bias[...].astype(y.dtype)


def depthwise(x: jax.Array, kernel: jax.Array, stride: int, padding: Sides) -> jax.Array:
    """Convolve each channel of float [N, H, W, C] with its filter [k, k, 1, C]."""
    # Chosen while tracing: with jax.lax.platform_dependent the gradient is 3 times slower.
    form = _sum_of_shifts if jax.default_backend() == "cpu" else _plain
    return form(x, kernel, stride, padding)


def _plain(x: jax.Array, kernel: jax.Array, stride: int, padding: Sides) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


def _shifts(x: jax.Array, k: int, stride: int) -> Iterator[tuple[int, int, jax.Array]]:
    """Yield (row, column, the input that meets the filter's weight there) of [..., H, W, C]."""
    *batch, height, width, channels = x.shape
    rows, columns = (height - k) // stride + 1, (width - k) // stride + 1
    zeros, ones = (0,) * len(batch), (1,) * len(batch)
    for i in range(k):
        for j in range(k):
            end = (*batch, i + (rows - 1) * stride + 1, j + (columns - 1) * stride + 1, channels)
            yield i, j, jax.lax.slice(x, (*zeros, i, j, 0), end, (*ones, stride, stride, 1))


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _sum_of_shifts(x: jax.Array, kernel: jax.Array, stride: int, padding: Sides) -> jax.Array:
    x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    k = kernel.shape[0]
    first, *rest = (part * kernel[i, j, 0] for i, j, part in _shifts(x, k, stride))
    return sum(rest, start=first)


def _forward(
    x: jax.Array, kernel: jax.Array, stride: int, padding: Sides
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _sum_of_shifts(x, kernel, stride, padding), (x, kernel)


def _backward(
    stride: int, padding: Sides, saved: tuple[jax.Array, jax.Array], grad: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    plain = _sum_of_shifts.fun
    (dx,) = jax.linear_transpose(lambda x: plain(x, kernel, stride, padding), x)(grad)

    def one_picture(pair: tuple[jax.Array, jax.Array]) -> jax.Array:
        # One picture at a time, the sums' input stays in the cache; over the whole batch XLA
        # would read it k² times.
        picture, g = pair
        return jnp.stack(
            [(part * g).sum((0, 1)) for _, _, part in _shifts(picture, kernel.shape[0], stride)]
        )

    padded = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    dw = jax.lax.map(one_picture, (padded, grad)).sum(0)
    return dx, dw.reshape(kernel.shape)


_sum_of_shifts.defvjp(_forward, _backward)
