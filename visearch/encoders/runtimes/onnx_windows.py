"""The export rules for sliding windows: convolution, pooling and padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jax.extend import core

from visearch.encoders.runtimes.onnx_graph import (
    Graph,
    Known,
    Value,
    array_of,
    held_axis,
    require,
    shape_of,
    value_of,
)


def convolution(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    """Convolve [N, H, W, C] with a constant kernel [k, k, in, out]."""
    x, kernel = value_of(inputs[0], equation), array_of(inputs[1], equation)
    p = equation.params
    numbers = p["dimension_numbers"]
    require(
        kernel.ndim == 4
        and numbers.lhs_spec == numbers.out_spec == (0, 3, 1, 2)
        and numbers.rhs_spec == (3, 2, 0, 1)
        and set(p["lhs_dilation"]) == {1}
        and p["batch_group_count"] == 1,
        equation,
    )
    return graph.add(
        "Conv",
        [x.name, graph.constant(kernel.transpose(3, 2, 0, 1))],
        shape_of(equation),
        kernel_shape=list(kernel.shape[:2]),
        strides=list(p["window_strides"]),
        pads=_pads(p["padding"]),
        dilations=list(p["rhs_dilation"]),
        group=p["feature_group_count"],
    )


def _pads(padding: Sequence[tuple[int, int]]) -> list[int]:
    return [before for before, _ in padding] + [after for _, after in padding]


def pad(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    """Pad a value with a constant."""
    x, fill = value_of(inputs[0], equation), array_of(inputs[1], equation)
    sides = [tuple(int(n) for n in side) for side in equation.params["padding_config"]]
    require(all(min(side) >= 0 and not side[2] for side in sides), equation)
    held = [(0, 0)] * x.rank
    for axis, (before, after, _) in enumerate(sides):
        held[held_axis(axis, x.rank)] = (before, after)
    pads = graph.constant(np.asarray(_pads(held), np.int64))
    return graph.add("Pad", [x.name, pads, graph.constant(fill)], shape_of(equation))


def max_pool(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    """Take the maximum of each window."""
    return _pool(graph, equation, inputs, "MaxPool", lambda x: graph.made_by(x) in _POSITIVE)


_POSITIVE = ("Relu", "Clip", "Sigmoid")
"""Operations whose results are never negative, so that padding zeros do not change a maximum."""


def sum_pool(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    """Sum each window; padding counts as zero."""
    mean = _pool(graph, equation, inputs, "AveragePool", lambda _: True, count_include_pad=1)
    count = np.array(np.prod(equation.params["window_dimensions"]), np.float32)
    return graph.add("Mul", [mean.name, graph.constant(count)], shape_of(equation))


def _pool(
    graph: Graph,
    equation: core.JaxprEqn,
    inputs: Sequence[Known],
    op: str,
    ignores_zeros: Callable[[str], bool],
    **given: int,
) -> Value:
    """Pool; a preceding zero padding becomes the pool's own padding."""
    name, window = graph.input_of(inputs[0]), _window(equation)
    before = graph.producer(name)
    if before and before.op_type == "Pad" and not any(window["pads"]):
        x, sides, fill = before.input
        pads = graph.array(sides)
        if not graph.array(fill) and not pads[[0, 1, 4, 5]].any() and ignores_zeros(x):
            name, window["pads"] = x, [int(n) for n in pads[[2, 3, 6, 7]]]
    return graph.add(op, [name], shape_of(equation), **window, **given)


def _window(equation: core.JaxprEqn) -> dict[str, list[int]]:
    p = equation.params
    sizes, strides, padding = p["window_dimensions"], p["window_strides"], p["padding"]
    plain = all(set(p[key]) == {1} for key in ("base_dilation", "window_dilation"))
    outer = (sizes[0], sizes[-1], strides[0], strides[-1], *padding[0], *padding[-1])
    require(len(sizes) == 4 and plain and outer == (1, 1, 1, 1, 0, 0, 0, 0), equation)
    return {
        "kernel_shape": list(sizes[1:3]),
        "strides": list(strides[1:3]),
        "pads": _pads(padding[1:3]),
    }
