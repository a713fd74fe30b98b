"""Weights in and out of Flax modules: safetensors, exact accounting of keys and shapes.

A checkpoint holds torchvision's names and layouts (convolutions O,I,kh,kw; linear O,I).
Loading demands equality in both directions: every parameter is filled, every tensor is
used or named in ``IGNORED``, every shape agrees; all differences are reported at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx
from safetensors.numpy import load_file, save_file

from visearch.errors import WeightsMismatch

Array = npt.NDArray[np.generic]

IGNORED = ("num_batches_tracked",)
"""Last name parts of tensors that carry no information for inference."""

_NAMES = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
_TO_FLAX = {4: (2, 3, 1, 0), 2: (1, 0)}
_TO_CHECKPOINT = {4: (3, 2, 0, 1), 2: (1, 0)}


def _entries(model: nnx.Module) -> Iterator[tuple[str, str, nnx.Variable[Any]]]:
    """Yield (checkpoint key, Flax name, variable) for every stored array of ``model``."""
    for path, variable in nnx.to_flat_state(nnx.state(model, (nnx.Param, nnx.BatchStat))):
        *parents, name = (str(part) for part in path)
        yield ".".join([*parents, _NAMES.get(name, name)]), name, variable


def _layout(name: str, array: Array, table: Mapping[int, tuple[int, ...]]) -> Array:
    if name != "kernel":
        return array
    return np.transpose(array, table[array.ndim])


def to_tensors(model: nnx.Module) -> dict[str, Array]:
    """Return the model's arrays under checkpoint names and layouts, float32."""
    return {
        key: np.ascontiguousarray(
            _layout(name, np.asarray(variable[...], dtype=np.float32), _TO_CHECKPOINT)
        )
        for key, name, variable in _entries(model)
    }


def load_tensors(model: nnx.Module, tensors: Mapping[str, Array]) -> None:
    """Fill ``model`` in place from checkpoint ``tensors`` (cast to float32).

    Raises:
        WeightsMismatch: a key is missing or unexpected, or a shape differs; the message
            lists all of them, and the model is unchanged.
    """
    entries = list(_entries(model))
    tensors = {k: v for k, v in tensors.items() if k.rsplit(".", 1)[-1] not in IGNORED}
    problems = _differences({key: (name, v.shape) for key, name, v in entries}, tensors)
    if problems:
        raise WeightsMismatch("checkpoint does not fit the architecture:\n  " + problems)
    state = nnx.state(model, (nnx.Param, nnx.BatchStat))
    flat = dict(nnx.to_flat_state(state))
    for (path, variable), (key, name, _) in zip(flat.items(), entries, strict=True):
        value = _layout(name, tensors[key].astype(np.float32), _TO_FLAX)
        flat[path] = variable.replace(jnp.asarray(value))
    nnx.update(model, nnx.from_flat_state(list(flat.items())))


def _differences(
    wanted: Mapping[str, tuple[str, tuple[int, ...]]], tensors: Mapping[str, Array]
) -> str:
    lines = [f"missing {key}" for key in sorted(wanted.keys() - tensors.keys())]
    lines += [f"unexpected {key}" for key in sorted(tensors.keys() - wanted.keys())]
    for key in sorted(wanted.keys() & tensors.keys()):
        name, shape = wanted[key]
        found = tensors[key].shape
        axes = _TO_CHECKPOINT[len(shape)] if name == "kernel" else range(len(shape))
        expected = tuple(shape[axis] for axis in axes)
        if found != expected:
            lines.append(f"shape of {key} is {found}, expected {expected}")
    return "\n  ".join(lines)


def load_safetensors(path: Path) -> dict[str, Array]:
    """Load all tensors of a safetensors file."""
    return dict(load_file(path))


def save_safetensors(path: Path, tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write ``tensors`` as float16 with ``metadata``; replaces ``path`` atomically.

    Raises:
        ValueError: a weight is not finite, or too large for float16.
    """
    with np.errstate(over="ignore"):
        half = {key: value.astype(np.float16) for key, value in tensors.items()}
    for key, value in half.items():
        if not np.isfinite(value).all():
            raise ValueError(f"{key} has weights that float16 cannot hold")
    part = path.with_name(path.name + ".part")
    save_file(half, part, metadata=dict(metadata))
    part.replace(path)
