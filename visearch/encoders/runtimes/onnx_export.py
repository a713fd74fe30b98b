"""From a traced JAX function to an ONNX graph: one small rule per primitive that CNNs use.

What depends on no picture is computed here and becomes a constant. A primitive without a
rule, or one used in a form that its rule does not cover, is refused by name: an export
is never approximate in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnx
from jax.extend import core

from visearch.encoders.runtimes.onnx_graph import Array, Dim, Graph, Value, held_axis
from visearch.errors import ExportError

Known = Value | Array
Rule = Callable[[Graph, core.JaxprEqn, Sequence[Known]], Value]


def export_onnx(embed: Callable[[jax.Array], jax.Array], size: int) -> onnx.ModelProto:
    """Export ``embed``: uint8 [n, size, size, 3] → float32 [n, d], for any n.

    Raises:
        ExportError: it uses an operation, or a form of one, that has no rule here.
    """
    (n,) = jax.export.symbolic_shape("n")
    traced = jax.make_jaxpr(embed)(jax.ShapeDtypeStruct((n, size, size, 3), jnp.uint8))
    graph, pixels = Graph(), Value("pixels", (None, size, size, 3))
    consts = [np.asarray(const) for const in traced.consts]
    (result,) = _walk(graph, traced.jaxpr, consts, [graph.as_held(pixels)])
    if not isinstance(result, Value):
        raise ExportError("the function does not depend on the pictures")
    return graph.model(pixels, result)


def _walk(
    graph: Graph, jaxpr: core.Jaxpr, consts: Sequence[Known], inputs: Sequence[Known]
) -> list[Known]:
    known: dict[core.Var, Known] = dict(zip(jaxpr.constvars, consts, strict=True))
    known.update(zip(jaxpr.invars, inputs, strict=True))

    def look_up(atom: Any) -> Known:
        return np.asarray(atom.val) if isinstance(atom, core.Literal) else known[atom]

    for equation in jaxpr.eqns:
        outputs = _step(graph, equation, [look_up(atom) for atom in equation.invars])
        known.update(zip(equation.outvars, outputs, strict=True))
    return [look_up(atom) for atom in jaxpr.outvars]


def _step(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> list[Known]:
    name = equation.primitive.name
    inner = next((equation.params[key] for key in _CALLS if key in equation.params), None)
    if inner is not None:
        return _walk(graph, inner.jaxpr, [np.asarray(c) for c in inner.consts], inputs)
    if name == "broadcast_in_dim":
        return [_broadcast(graph, equation, inputs)]
    if not any(isinstance(value, Value) for value in inputs):
        values = equation.primitive.bind(*inputs, **equation.params)
        return [
            np.asarray(v) for v in (values if equation.primitive.multiple_results else [values])
        ]
    if name not in RULES:
        raise ExportError(f"there is no rule to export {name!r}; use VISEARCH_RUNTIME=xla")
    return [RULES[name](graph, equation, inputs)]


_CALLS = ("jaxpr", "call_jaxpr")
"""Parameters that hold the body of a called function."""


def _shape(equation: core.JaxprEqn) -> tuple[Dim, ...]:
    sizes = equation.outvars[0].aval.shape
    return tuple(size if isinstance(size, int) else None for size in sizes)


def _require(holds: bool, equation: core.JaxprEqn) -> None:
    if not holds:
        raise ExportError(f"this form of {equation.primitive.name!r} has no rule: {equation}")


def _elementwise(op: str) -> Rule:
    def rule(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
        # A constant as long as the channels meets them wherever they are held.
        return graph.add(op, [graph.input_of(v) for v in inputs], _shape(equation))

    return rule


def _max(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    x, limit = inputs
    if isinstance(x, Value) and isinstance(limit, np.ndarray) and limit.ndim == 0 and limit == 0:
        return graph.add("Relu", [x.name], _shape(equation))
    return _elementwise("Max")(graph, equation, inputs)


def _min(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    # min(max(x, 0), 6) is one node that engines join to the convolution before it.
    x, limit = sorted(inputs, key=lambda v: isinstance(v, np.ndarray))
    node = graph.producer(x.name) if isinstance(x, Value) else None
    if isinstance(limit, np.ndarray) and limit.ndim == 0 and node and node.op_type == "Relu":
        zero, most = (graph.constant(np.asarray(v, np.float32)) for v in (0, limit))
        return graph.add("Clip", [node.input[0], zero, most], _shape(equation))
    return _elementwise("Min")(graph, equation, inputs)


def _power(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    exponent = graph.constant(np.float32(equation.params["y"]))
    return graph.add("Pow", [graph.input_of(inputs[0]), exponent], _shape(equation))


def _square(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    name = graph.input_of(inputs[0])
    return graph.add("Mul", [name, name], _shape(equation))


def _rsqrt(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    root = graph.add("Sqrt", [graph.input_of(inputs[0])], _shape(equation))
    return graph.add("Reciprocal", [root.name], _shape(equation))


def _cast(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(equation.params["new_dtype"]))
    return graph.add("Cast", [graph.input_of(inputs[0])], _shape(equation), to=kind)


def _copy(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    assert isinstance(inputs[0], Value)
    return inputs[0]


def _erfc(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    erf = graph.add("Erf", [graph.input_of(inputs[0])], _shape(equation))
    return graph.add("Sub", [graph.constant(np.float32(1)), erf.name], _shape(equation))


def _convolution(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    x, kernel = inputs
    p = equation.params
    numbers = p["dimension_numbers"]
    _require(
        isinstance(x, Value)
        and isinstance(kernel, np.ndarray)
        and kernel.ndim == 4
        and numbers.lhs_spec == numbers.out_spec == (0, 3, 1, 2)
        and numbers.rhs_spec == (3, 2, 0, 1)
        and set(p["lhs_dilation"]) == {1}
        and p["batch_group_count"] == 1,
        equation,
    )
    assert isinstance(x, Value) and isinstance(kernel, np.ndarray)
    return graph.add(
        "Conv",
        [x.name, graph.constant(kernel.transpose(3, 2, 0, 1))],
        _shape(equation),
        kernel_shape=list(kernel.shape[:2]),
        strides=list(p["window_strides"]),
        pads=_pads(p["padding"]),
        dilations=list(p["rhs_dilation"]),
        group=p["feature_group_count"],
    )


def _pads(padding: Sequence[tuple[int, int]]) -> list[int]:
    return [before for before, _ in padding] + [after for _, after in padding]


def _pad(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    x, fill = inputs
    sides = [tuple(int(n) for n in side) for side in equation.params["padding_config"]]
    _require(
        isinstance(x, Value)
        and isinstance(fill, np.ndarray)
        and all(before >= 0 and after >= 0 and not between for before, after, between in sides),
        equation,
    )
    assert isinstance(x, Value) and isinstance(fill, np.ndarray)
    order = [held_axis(axis, x.rank) for axis in range(x.rank)]
    held = [sides[order.index(axis)][:2] for axis in range(x.rank)]
    pads = graph.constant(np.asarray(_pads(held), np.int64))
    return graph.add("Pad", [x.name, pads, graph.constant(fill)], _shape(equation))


def _max_pool(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    return _pool(graph, equation, inputs, "MaxPool", lambda x: graph.made_by(x) in _POSITIVE)


_POSITIVE = ("Relu", "Clip", "Sigmoid")
"""Operations without negative results here: the most of some and zeros is that of some."""


def _sum_pool(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    mean = _pool(graph, equation, inputs, "AveragePool", lambda _: True, count_include_pad=1)
    count = graph.constant(np.float32(np.prod(equation.params["window_dimensions"])))
    return graph.add("Mul", [mean.name, count], _shape(equation))


def _pool(
    graph: Graph,
    equation: core.JaxprEqn,
    inputs: Sequence[Known],
    op: str,
    ignores_zeros: Callable[[str], bool],
    **given: int,
) -> Value:
    """Pool; zeros set around the picture before become the pool's own padding."""
    name, window = graph.input_of(inputs[0]), _window(equation)
    if (pad := graph.producer(name)) and pad.op_type == "Pad" and not any(window["pads"]):
        x, sides, fill = pad.input
        before = graph.array(sides)
        if not graph.array(fill) and not before[[0, 1, 4, 5]].any() and ignores_zeros(x):
            name, window["pads"] = x, [int(n) for n in before[[2, 3, 6, 7]]]
    return graph.add(op, [name], _shape(equation), **window, **given)


def _window(equation: core.JaxprEqn) -> dict[str, list[int]]:
    p = equation.params
    sizes, strides, padding = p["window_dimensions"], p["window_strides"], p["padding"]
    plain = all(set(p[key]) == {1} for key in ("base_dilation", "window_dilation"))
    outer = (sizes[0], sizes[-1], strides[0], strides[-1], *padding[0], *padding[-1])
    _require(len(sizes) == 4 and plain and outer == (1, 1, 1, 1, 0, 0, 0, 0), equation)
    return {
        "kernel_shape": list(sizes[1:3]),
        "strides": list(strides[1:3]),
        "pads": _pads(padding[1:3]),
    }


def _reduce(op: str) -> Rule:
    def rule(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
        (x,), axes = inputs, equation.params["axes"]
        assert isinstance(x, Value)
        if x.rank == 4 and tuple(axes) not in ((1, 2), (3,), (1, 2, 3)):
            x = graph.as_written(x)
            held = list(axes)
        else:
            held = [held_axis(axis, x.rank) for axis in axes]
        where = graph.constant(np.asarray(held, np.int64))
        return graph.add(op, [x.name, where], _shape(equation), keepdims=0)

    return rule


def _dot(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    x, weights = inputs
    (contract, batch) = equation.params["dimension_numbers"]
    _require(
        isinstance(x, Value)
        and isinstance(weights, np.ndarray)
        and weights.ndim == 2
        and contract == ((x.rank - 1,), (0,))
        and batch == ((), ()),
        equation,
    )
    assert isinstance(x, Value) and isinstance(weights, np.ndarray)
    if x.rank == 4:  # a linear layer at every position is a 1×1 convolution
        kernel = graph.constant(weights.T[:, :, None, None])
        return graph.add("Conv", [x.name, kernel], _shape(equation), kernel_shape=[1, 1])
    return graph.add("MatMul", [x.name, graph.constant(weights)], _shape(equation))


def _broadcast(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Known:
    """Add axes of length 1; what takes the value stretches them as it needs."""
    x, axes = inputs[0], equation.params["broadcast_dimensions"]
    target = equation.params["shape"]
    sizes = x.shape
    shape = tuple(sizes[axes.index(i)] if i in axes else 1 for i in range(len(target)))
    if isinstance(x, np.ndarray):
        return x.reshape(shape)
    return _reshaped(graph, x, shape)


def _reshape(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    _require(equation.params["dimensions"] is None and isinstance(inputs[0], Value), equation)
    assert isinstance(inputs[0], Value)
    return _reshaped(graph, inputs[0], _shape(equation))


def _reshaped(graph: Graph, x: Value, shape: tuple[Dim, ...]) -> Value:
    sizes = graph.constant(np.asarray([-1 if size is None else size for size in shape], np.int64))
    y = graph.add("Reshape", [graph.as_written(x).name, sizes], shape)
    return graph.as_held(y)


def _transpose(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    x = inputs[0]
    assert isinstance(x, Value)
    order = equation.params["permutation"]
    y = graph.transpose(graph.as_written(x), order, _shape(equation))
    return graph.as_held(y)


def _concatenate(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    shape = _shape(equation)
    axis = held_axis(equation.params["dimension"], len(shape))
    return graph.add("Concat", [graph.input_of(v) for v in inputs], shape, axis=axis)


def _squeeze(graph: Graph, equation: core.JaxprEqn, inputs: Sequence[Known]) -> Value:
    assert isinstance(inputs[0], Value)
    return _reshaped(graph, inputs[0], _shape(equation))


RULES: Mapping[str, Rule] = {
    "add": _elementwise("Add"),
    "concatenate": _concatenate,
    "conv_general_dilated": _convolution,
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
    "pad": _pad,
    "reduce_max": _reduce("ReduceMax"),
    "reduce_sum": _reduce("ReduceSum"),
    "reduce_window_max": _max_pool,
    "reduce_window_sum": _sum_pool,
    "reshape": _reshape,
    "rsqrt": _rsqrt,
    "sqrt": _elementwise("Sqrt"),
    "square": _square,
    "squeeze": _squeeze,
    "sub": _elementwise("Sub"),
    "tanh": _elementwise("Tanh"),
    "transpose": _transpose,
}
