"""A Flax module as functions of flat dictionaries, for optax, resuming and blending."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from visearch.encoders.families.model import Model

Arrays = dict[str, jax.Array]
"""Arrays by their place in the module, such as ``body/0/layers/0/kernel``."""


class Network:
    """``model`` in parts: ``weights`` are trained, ``rest`` (batch statistics …) is kept along.

    Parameters whose names begin with one of ``frozen`` belong to ``rest``.
    """

    def __init__(self, model: Model, frozen: tuple[str, ...] = ()) -> None:
        def is_trained(path: tuple[Any, ...], variable: Any) -> bool:
            return isinstance(variable, nnx.Param) and not parameter_name(path).startswith(frozen)

        graph, weights, rest = nnx.split(model, is_trained, ...)  # type: ignore[misc]
        self._graph: nnx.GraphDef[Model] = graph
        self._paths = {parameter_name(path): path for path, _ in nnx.to_flat_state(weights)}
        self._rest_paths = {parameter_name(path): path for path, _ in nnx.to_flat_state(rest)}
        self._frozen = {
            parameter_name(path)
            for path, variable in nnx.to_flat_state(rest)
            if isinstance(variable, nnx.Param)
        }
        self._templates = dict(nnx.to_flat_state(weights)) | dict(nnx.to_flat_state(rest))
        self.weights = self._arrays(self._paths)
        self.rest = self._arrays(self._rest_paths)

    def _arrays(self, paths: dict[str, Any]) -> Arrays:
        return {name: jnp.array(self._templates[path][...]) for name, path in paths.items()}

    def model(self, weights: Arrays, rest: Arrays) -> Model:
        """Build a module from these arrays."""
        paths = self._paths | self._rest_paths
        flat = [
            (paths[name], self._templates[paths[name]].replace(value))
            for name, value in (weights | rest).items()
        ]
        module: Model = nnx.merge(self._graph, nnx.from_flat_state(flat))
        return module

    def apply(
        self, weights: Arrays, rest: Arrays, x: jax.Array, dtype: jax.typing.DTypeLike = jnp.float32
    ) -> tuple[jax.Array, Arrays, Arrays]:
        """Run float32 [N, H, W, 3]; return features [N, C], embedding parts and new ``rest``.

        The parts include the whole embedding [N, d] as ``all``. The network computes in
        ``dtype`` and returns float32.
        """
        module = self.model(
            {name: value.astype(dtype) for name, value in weights.items()},
            {n: v.astype(dtype) if n in self._frozen else v for n, v in rest.items()},
        )
        for _, layer in nnx.iter_modules(module):
            if isinstance(layer, nnx.BatchNorm):
                layer.dtype = dtype  # if not set, its float32 statistics decide
        features, parts = module.features_and_parts(x.astype(dtype))
        parts = {name: part.astype(jnp.float32) for name, part in parts.items()}
        parts["all"] = module.join(parts)
        after = dict(nnx.to_flat_state(nnx.state(module)))
        changed = {
            name: rest[name] if name in self._frozen else after[path][...]
            for name, path in self._rest_paths.items()
        }
        return features.astype(jnp.float32), parts, changed


def parameter_name(path: tuple[Any, ...]) -> str:
    """Return the name that :data:`Arrays` and recipes use for ``path`` in a module."""
    return "/".join(map(str, path))
