"""Batch norm folded into the convolution before it (Jacob et al. 2017, arXiv:1712.05877, 3.2).

At inference, batch norm scales and shifts each channel by constants. The kernel and bias of
the convolution before it can absorb both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx

from visearch.encoders.families.depthwise import DepthwiseConv
from visearch.encoders.families.model import Model

Convolution = nnx.Conv | DepthwiseConv
_Place = tuple[nnx.Module, str | int]


class Identity(nnx.Module):
    """Takes the place of a folded batch norm."""

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return ``x``."""
        return x


class _Seen:
    """Records, while a model is traced, convolutions' outputs and the norms that take them."""

    def __init__(self) -> None:
        self.outputs: list[tuple[jax.Array, Convolution]] = []
        self.pairs: list[tuple[Convolution, nnx.BatchNorm]] = []

    def convolution_of(self, x: jax.Array) -> Convolution | None:
        """Return the convolution that computed ``x``, if one did."""
        return next((conv for y, conv in self.outputs if y is x), None)


class _Watch(nnx.Module):
    """Takes a layer's place while the model is traced and records its input or output."""

    def __init__(self, layer: Convolution | nnx.BatchNorm, seen: _Seen) -> None:
        self.layer, self.seen = layer, seen

    def __call__(self, x: jax.Array) -> jax.Array:
        y: jax.Array = self.layer(x)
        if not isinstance(self.layer, nnx.BatchNorm):
            self.seen.outputs.append((y, self.layer))
        elif (conv := self.seen.convolution_of(x)) is not None:
            self.seen.pairs.append((conv, self.layer))
        return y


def fold_batch_norm(model: Model, size: int) -> None:
    """Fold, in place, every batch norm whose input is a convolution's output.

    Tracing the model for one picture of ``size`` px finds them.
    """
    seen, places = _Seen(), list(_places(model))
    for (parent, name), layer in places:
        _put(parent, name, _Watch(layer, seen))
    try:
        jax.eval_shape(model.embed, jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32))
    finally:
        for (parent, name), layer in places:
            _put(parent, name, layer)
    for conv, norm in seen.pairs:
        _fold(conv, norm)
    folded = [norm for _, norm in seen.pairs]
    for (parent, name), layer in places:
        if any(layer is norm for norm in folded):
            _put(parent, name, Identity())


def _places(model: nnx.Module) -> Iterator[tuple[_Place, Convolution | nnx.BatchNorm]]:
    parents = [node for _, node in nnx.iter_graph(model) if isinstance(node, nnx.Module)]
    for parent in parents:
        children: Iterable[tuple[str | int, Any]] = (
            enumerate(parent) if isinstance(parent, nnx.List) else vars(parent).items()
        )
        for name, child in list(children):
            if isinstance(child, Convolution | nnx.BatchNorm):
                yield (parent, name), child


def _put(parent: nnx.Module, name: str | int, child: nnx.Module) -> None:
    if isinstance(parent, nnx.List) and isinstance(name, int):
        parent[name] = child
    else:
        setattr(parent, str(name), child)


def _fold(conv: Convolution, norm: nnx.BatchNorm) -> None:
    # In numpy, because jax would compile each of these operations for each shape.
    factor = 1 / np.sqrt(_array(norm.var) + norm.epsilon)
    if norm.scale is not None:
        factor = factor * _array(norm.scale)
    bias = ((0 if conv.bias is None else _array(conv.bias)) - _array(norm.mean)) * factor
    if norm.bias is not None:
        bias = bias + _array(norm.bias)
    kernel = _array(conv.kernel) * factor  # [k, k, in, out] · [out]
    conv.kernel[...] = jnp.asarray(kernel, jnp.float32)
    conv.bias = nnx.data(nnx.Param(jnp.asarray(bias, jnp.float32)))
    if isinstance(conv, nnx.Conv):
        conv.use_bias = True


def _array(variable: nnx.Variable[Any]) -> npt.NDArray[np.float64]:
    return np.asarray(variable[...], np.float64)
