"""What every rule of the exporter needs: its type, the output's shape, a clear refusal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jax.extend import core

from visearch.encoders.runtimes.onnx_graph import Array, Dim, Graph, Value
from visearch.errors import ExportError

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
