"""The export rules: one for each of JAX's primitives that CNNs use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from jax.extend import core

from visearch.encoders.runtimes import onnx_windows as windows
from visearch.encoders.runtimes.onnx_graph import (
    Dim,
    Graph,
    Known,
    Rule,
    Value,
    array_of,
    held_axis,
    require,
    shape_of,
    value_of,
)


def _elementwise(op: str) -> Rule:
    def rule(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
        return graph.add(op, [graph.input_of(v) for v in inputs], shape_of(equation))

    return rule


def _max(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    x, limit = inputs
    if isinstance(x, Value) and isinstance(limit, np.ndarray) and limit.ndim == 0 and limit == 0:
        return graph.add("Relu", [x.name], shape_of(equation))
    return _elementwise("Max")(graph, equation, inputs)


def _min(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    # min(max(x, 0), 6) becomes one node, which engines fuse with the convolution before it.
    x, limit = sorted(inputs, key=lambda v: isinstance(v, np.ndarray))
    node = graph.producer(x.name) if isinstance(x, Value) else None
    if isinstance(limit, np.ndarray) and limit.ndim == 0 and node and node.op_type == "Relu":
        zero, most = (graph.constant(np.asarray(v, np.float32)) for v in (0, limit))
        return graph.add("Clip", [node.input[0], zero, most], shape_of(equation))
    return _elementwise("Min")(graph, equation, inputs)


def _power(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    exponent = graph.constant(np.array(equation.params["y"], np.float32))
    return graph.add("Pow", [graph.input_of(inputs[0]), exponent], shape_of(equation))


def _square(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    name = graph.input_of(inputs[0])
    return graph.add("Mul", [name, name], shape_of(equation))


def _rsqrt(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    root = graph.add("Sqrt", [graph.input_of(inputs[0])], shape_of(equation))
    return graph.add("Reciprocal", [root.name], shape_of(equation))


def _cast(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(equation.params["new_dtype"]))
    return graph.add("Cast", [graph.input_of(inputs[0])], shape_of(equation), to=kind)


def _copy(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    return value_of(inputs[0], equation)


def _erfc(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    erf = graph.add("Erf", [graph.input_of(inputs[0])], shape_of(equation))
    return graph.add("Sub", [graph.constant(np.array(1, np.float32)), erf.name], shape_of(equation))


def _reduce(op: str) -> Rule:
    def rule(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
        x, axes = value_of(inputs[0], equation), equation.params["axes"]
        # Without these axes, the rest would be in another order than Flax's.
        require(x.rank != 4 or tuple(axes) in ((1, 2), (3,), (1, 2, 3)), equation)
        held = [held_axis(axis, x.rank) for axis in axes]
        where = graph.constant(np.asarray(held, np.int64))
        return graph.add(op, [x.name, where], shape_of(equation), keepdims=0)

    return rule


def _dot(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    x, weights = value_of(inputs[0], equation), array_of(inputs[1], equation)
    contract, batch = equation.params["dimension_numbers"]
    plain = contract == ((x.rank - 1,), (0,)) and batch == ((), ())
    require(plain and weights.ndim == 2, equation)
    if x.rank == 4:  # a linear layer at every position is a 1×1 convolution
        kernel = graph.constant(weights.T[:, :, None, None])
        return graph.add("Conv", [x.name, kernel], shape_of(equation), kernel_shape=[1, 1])
    return graph.add("MatMul", [x.name, graph.constant(weights)], shape_of(equation))


def broadcast(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Known:
    """Add axes of length 1; the operation that takes the value broadcasts them."""
    x, axes = inputs[0], equation.params["broadcast_dimensions"]
    shape: list[Dim] = [1] * len(equation.params["shape"])
    for axis, size in zip(axes, x.shape, strict=True):
        shape[axis] = size
    if isinstance(x, Value):
        return _reshaped(graph, x, tuple(shape))
    return x.reshape([size or 1 for size in shape])


def _reshape(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    require(equation.params.get("dimensions") is None, equation)
    return _reshaped(graph, value_of(inputs[0], equation), shape_of(equation))


def _reshaped(graph: Graph, x: Value, shape: tuple[Dim, ...]) -> Value:
    sizes = graph.constant(np.asarray([-1 if size is None else size for size in shape], np.int64))
    y = graph.add("Reshape", [graph.as_written(x).name, sizes], shape)
    return graph.as_held(y)


def _transpose(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    x, order = value_of(inputs[0], equation), equation.params["permutation"]
    y = graph.transpose(graph.as_written(x), order, shape_of(equation))
    return graph.as_held(y)


def _concatenate(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    shape = shape_of(equation)
    axis = held_axis(equation.params["dimension"], len(shape))
    return graph.add("Concat", [graph.input_of(v) for v in inputs], shape, axis=axis)


def _slice(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    """Take the first, or other, numbers of every row or place, and all rows and places."""
    x, p = value_of(inputs[0], equation), equation.params
    (*outer, start), (*ends, end) = p["start_indices"], p["limit_indices"]
    whole = not any(outer) and tuple(ends[1:]) == x.shape[1:-1]
    require(x.rank > 1 and whole and set(p["strides"] or (1,)) == {1}, equation)
    start, end, axis = (
        graph.constant(np.asarray([value], np.int64))
        for value in (start, end, held_axis(x.rank - 1, x.rank))
    )
    return graph.add("Slice", [x.name, start, end, axis], shape_of(equation))


def _stack(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    shape, at = shape_of(equation), equation.params["axis"]
    require(len(shape) == 3, equation)
    layer = (*shape[:at], 1, *shape[at + 1 :])
    layers = [_reshaped(graph, value_of(x, equation), layer).name for x in inputs]
    return graph.add("Concat", layers, shape, axis=at)


RULES: Mapping[str, Rule] = {
    "add": _elementwise("Add"),
    "concatenate": _concatenate,
    "conv_general_dilated": windows.convolution,
    "convert_element_type": _cast,
    "copy": _copy,
    "div": _elementwise("Div"),
    "dot_general": _dot,
    "erf": _elementwise("Erf"),
    "erfc": _erfc,
    "exp": _elementwise("Exp"),
    "integer_pow": _power,
    "logistic": _elementwise("Sigmoid"),
    "max": _max,
    "min": _min,
    "mul": _elementwise("Mul"),
    "neg": _elementwise("Neg"),
    "pad": windows.pad,
    "reduce_max": _reduce("ReduceMax"),
    "reduce_sum": _reduce("ReduceSum"),
    "reduce_window_max": windows.max_pool,
    "reduce_window_sum": windows.sum_pool,
    "reshape": _reshape,
    "rsqrt": _rsqrt,
    "slice": _slice,
    "sqrt": _elementwise("Sqrt"),
    "square": _square,
    "squeeze": _reshape,
    "stack": _stack,
    "sub": _elementwise("Sub"),
    "tanh": _elementwise("Tanh"),
    "transpose": _transpose,
}
