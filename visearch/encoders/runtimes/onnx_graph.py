"""An ONNX graph under construction, and what every rule of the exporter needs of it.

Flax holds pictures as [N, H, W, C], ONNX and its engines as [N, C, H, W]. Every value of
four axes is held channels first here, constants too, so that no transposition stands
between two layers (jax2onnx puts two around each convolution, and engines do not remove
all of them).
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
"""Versions that ONNX Runtime 1.19 and OpenVINO 2024 read already."""

Array = npt.NDArray[Any]
Dim = int | None
"""None is the batch."""

_FIRST = (0, 3, 1, 2)
_LAST = (0, 2, 3, 1)


@dataclass(frozen=True)
class Value:
    """A value of the graph; ``shape`` is the logical one, channels last."""

    name: str
    shape: tuple[Dim, ...]

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.shape)


def held_axis(axis: int, rank: int) -> int:
    """Return where the logical ``axis`` stands in what is held."""
    return _FIRST.index(axis) if rank == 4 else axis


@dataclass
class Graph:
    """Nodes in order of evaluation and the constants they use."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    _producers: dict[str, onnx.NodeProto] = field(default_factory=dict)

    def add(self, op: str, inputs: Sequence[str], shape: tuple[Dim, ...], **given: Any) -> Value:
        """Append a node; ``shape`` is its output's logical one."""
        name = f"v{len(self.nodes)}"
        node = helper.make_node(op, list(inputs), [name], **given)
        self.nodes.append(node)
        self._producers[name] = node
        return Value(name, shape)

    def constant(self, array: Array) -> str:
        """Store an array as it is; returns its name."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def input_of(self, value: Value | Array) -> str:
        """Return the name by which a node takes ``value``, a constant in the held layout."""
        if isinstance(value, Value):
            return value.name
        return self.constant(value.transpose(_FIRST) if value.ndim == 4 else value)

    def producer(self, name: str) -> onnx.NodeProto | None:
        """Return the node that makes the value ``name``; None for inputs and constants."""
        return self._producers.get(name)

    def made_by(self, name: str) -> str:
        """Return the operation that makes the value ``name``; empty for none."""
        node = self.producer(name)
        return node.op_type if node else ""

    def array(self, name: str) -> Array:
        """Return the constant ``name``."""
        return numpy_helper.to_array(self.constants[int(name.removeprefix("c"))])

    def transpose(self, value: Value, order: Sequence[int], shape: tuple[Dim, ...]) -> Value:
        """Transpose what is held; nothing is added when the order stays."""
        if list(order) == sorted(order):
            return Value(value.name, shape)
        return self.add("Transpose", [value.name], shape, perm=list(order))

    def as_written(self, value: Value) -> Value:
        """Return ``value`` held as its logical shape says, for what depends on the order."""
        if value.rank != 4 or all(size == 1 for size in value.shape[1:3]):
            return value
        return self.transpose(value, _LAST, value.shape)

    def as_held(self, value: Value) -> Value:
        """Return a value just written in logical order in the layout held."""
        return self.transpose(value, _FIRST, value.shape) if value.rank == 4 else value

    def model(self, pixels: Value, result: Value) -> onnx.ModelProto:
        """Return the model from uint8 ``pixels`` as written to float32 ``result``."""
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
        """Return the nodes that ``result`` depends on; merged ones leave others unused."""
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
"""A value of the graph, or one that depends on no picture and is known already."""
Rule = Callable[[Graph, core.JaxprEqn, Sequence[Known]], Value]


def shape_of(equation: core.JaxprEqn) -> tuple[Dim, ...]:
    """Return the logical shape of the only output."""
    sizes: tuple[object, ...] = getattr(equation.outvars[0].aval, "shape", ())
    return tuple(size if isinstance(size, int) else None for size in sizes)


def require(holds: bool, equation: core.JaxprEqn) -> None:
    """Refuse a form of a primitive that its rule does not cover; raises ExportError."""
    if not holds:
        raise ExportError(f"this form of {equation.primitive.name!r} has no rule: {equation}")


def value_of(known: Known, equation: core.JaxprEqn) -> Value:
    """Return a value of the graph; raises ExportError for a constant."""
    if isinstance(known, Value):
        return known
    raise ExportError(f"{equation.primitive.name!r} of a constant has no rule: {equation}")


def array_of(known: Known, equation: core.JaxprEqn) -> Array:
    """Return a constant; raises ExportError for a value of the graph."""
    if isinstance(known, Value):
        raise ExportError(f"{equation.primitive.name!r} needs a constant: {equation}")
    return known
