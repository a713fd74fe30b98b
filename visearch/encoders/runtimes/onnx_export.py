"""Converts a traced JAX function to an ONNX graph: one small rule per primitive that CNNs use.

What does not depend on the pictures is computed here and becomes a constant. A primitive
without a rule, or in a form that its rule does not cover, raises an error that names it: an
export is never silently approximate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnx
from jax.extend import core

from visearch.encoders.runtimes.onnx_graph import Graph, Known, Value
from visearch.encoders.runtimes.onnx_rules import RULES, broadcast
from visearch.errors import ExportError


def export_onnx(embed: Callable[[jax.Array], jax.Array], size: int) -> onnx.ModelProto:
    """Export ``embed``: uint8 [n, size, size, 3] → float32 [n, …], for any n.

    Raises:
        ExportError: it uses an operation, or a form of one, that has no rule.
    """
    (n,) = jax.export.symbolic_shape("n")
    traced = jax.make_jaxpr(embed)(jax.ShapeDtypeStruct((n, size, size, 3), jnp.uint8))
    graph, pixels = Graph(), Value("pixels", (None, size, size, 3))
    consts = [np.asarray(const) for const in traced.consts]
    (result,) = _walk(graph, traced.jaxpr, consts, [graph.as_held(pixels)])
    if not isinstance(result, Value):
        raise ExportError("The network's output does not depend on the pictures.")
    return graph.model(pixels, graph.as_written(result))


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
        return [broadcast(graph, equation, inputs)]
    if not any(isinstance(value, Value) for value in inputs):
        value = equation.primitive.bind(*inputs, **equation.params)
        values = value if equation.primitive.multiple_results else [value]
        return [np.asarray(each) for each in values]
    if name not in RULES:
        raise ExportError(f"There is no rule to export {name!r}. Set VISEARCH_RUNTIME=xla.")
    return [RULES[name](graph, equation, inputs)]


_CALLS = ("jaxpr", "call_jaxpr")
"""Parameters of a primitive that contain the body of a called function."""
