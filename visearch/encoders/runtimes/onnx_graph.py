"""An ONNX graph under construction, with the operations that export rules need.

Flax lays pictures out as [N, H, W, C], ONNX and its engines as [N, C, H, W]. Here every
value of four axes, constants included, is held channels first, so that no transpositions
are needed between layers. (jax2onnx puts two around each convolution, and engines do not
remove all of them.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from jax.extend import core
from onnx import TensorProto, helper, numpy_helper

from visearch.errors import ExportError

OPSET = 20
IR_VERSION = 10
"""Versions that ONNX Runtime 1.19 and OpenVINO 2024 can read."""

Array = npt.NDArray[Any]
Dim = int | None
"""None is the batch size."""

_FIRST = (0, 3, 1, 2)
_LAST = (0, 2, 3, 1)


@dataclass(frozen=True)
class Value:
    """A value of the graph; ``shape`` is its logical shape, channels last."""

    name: str
    shape: tuple[Dim, ...]

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.shape)


def held_axis(axis: int, rank: int) -> int:
    """Return the axis, in the layout held, of the logical ``axis``."""
    return _FIRST.index(axis) if rank == 4 else axis


@dataclass
class Graph:
    """Nodes in order of evaluation and the constants they use."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    _producers: dict[str, onnx.NodeProto] = field(default_factory=dict)

    def add(self, op: str, inputs: Sequence[str], shape: tuple[Dim, ...], **given: Any) -> Value:
        """Append a node; ``shape`` is the logical shape of its output."""
        name = f"v{len(self.nodes)}"
        node = helper.make_node(op, list(inputs), [name], **given)
        self.nodes.append(node)
        self._producers[name] = node
        return Value(name, shape)

    def constant(self, array: Array) -> str:
        """Store an array unchanged and return its name."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def input_of(self, value: Value | Array) -> str:
        """Return the name of a node's input; a constant is stored in the layout held."""
        if isinstance(value, Value):
            return value.name
        return self.constant(value.transpose(_FIRST) if value.ndim == 4 else value)

    def producer(self, name: str) -> onnx.NodeProto | None:
        """Return the node that computes the value ``name``; None for inputs and constants."""
        return self._producers.get(name)

    def made_by(self, name: str) -> str:
        """Return the operation that computes the value ``name``; empty for inputs and constants."""
        node = self.producer(name)
        return node.op_type if node else ""

    def array(self, name: str) -> Array:
        """Return the constant ``name``."""
        return numpy_helper.to_array(self.constants[int(name.removeprefix("c"))])

    def transpose(self, value: Value, order: Sequence[int], shape: tuple[Dim, ...]) -> Value:
        """Transpose a value as held; adds no node if the order stays the same."""
        if list(order) == sorted(order):
            return Value(value.name, shape)
        return self.add("Transpose", [value.name], shape, perm=list(order))

    def as_written(self, value: Value) -> Value:
        """Return ``value`` laid out in its logical order, for operations that depend on it."""
        if value.rank != 4 or all(size == 1 for size in value.shape[1:3]):
            return value
        return self.transpose(value, _LAST, value.shape)

    def as_held(self, value: Value) -> Value:
        """Return a value in logical order in the layout held."""
        return self.transpose(value, _FIRST, value.shape) if value.rank == 4 else value

    def model(self, pixels: Value, result: Value) -> onnx.ModelProto:
        """Return the model from uint8 ``pixels`` (logical order) to float32 ``result``."""
        nodes = self._needed(result.name)
        used = {name for node in nodes for name in node.input}
        graph = helper.make_graph(
            nodes,
            "encoder",
            [_described(pixels, "pixels", TensorProto.UINT8)],
            [_described(result, result.name, TensorProto.FLOAT)],
            [constant for constant in self.constants if constant.name in used],
        )
        opset = [helper.make_opsetid("", OPSET)]
        made = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
        onnx.checker.check_model(made, full_check=True)
        return made

    def _needed(self, result: str) -> list[onnx.NodeProto]:
        """Return the nodes that ``result`` depends on; merging leaves others unused."""
        wanted, kept = {result}, []
        for node in reversed(self.nodes):
            if node.output[0] in wanted:
                wanted.update(node.input)
                kept.append(node)
        return kept[::-1]


def _described(value: Value, name: str, kind: int) -> onnx.ValueInfoProto:
    shape = ["n" if size is None else size for size in value.shape]
    return helper.make_tensor_value_info(name, kind, shape)


Known = Value | Array
"""A value of the graph, or an array that does not depend on the pictures."""
Rule = Callable[[Graph, core.JaxprEqn, Sequence[Known]], Value]


def shape_of(equation: core.JaxprEqn) -> tuple[Dim, ...]:
    """Return the logical shape of an equation's only output."""
    sizes: tuple[object, ...] = getattr(equation.outvars[0].aval, "shape", ())
    return tuple(size if isinstance(size, int) else None for size in sizes)


def require(holds: bool, equation: core.JaxprEqn) -> None:
    """Raise ExportError unless the rule covers this form of the primitive."""
    if not holds:
        raise ExportError(
            f"There is no rule to export this form of {equation.primitive.name!r}: {equation}. "
            "Set VISEARCH_RUNTIME=xla."
        )


def value_of(known: Known, equation: core.JaxprEqn) -> Value:
    """Return a value of the graph; raises ExportError for a constant."""
    if isinstance(known, Value):
        return known
    raise ExportError(
        f"There is no rule to export {equation.primitive.name!r} of a constant: {equation}. "
        "Set VISEARCH_RUNTIME=xla."
    )


def array_of(known: Known, equation: core.JaxprEqn) -> Array:
    """Return a constant; raises ExportError for a value of the graph."""
    if isinstance(known, Value):
        raise ExportError(
            f"There is no rule to export {equation.primitive.name!r} without a constant: "
            f"{equation}. Set VISEARCH_RUNTIME=xla."
        )
    return known
