"""Loads weights into Flax modules and saves them, with an exact check of keys and shapes.

A checkpoint must match the model in both directions: it fills every array of the model, each
of its tensors is used or ignored by name, and all shapes agree. All differences are reported
at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from flax import nnx
from safetensors.numpy import load_file, save_file

from visearch.encoders.checkpoints import pth
from visearch.encoders.checkpoints.verified import safetensors_errors
from visearch.encoders.families.model import Model
from visearch.encoders.families.naming import OWN, Array, Naming, Slot, slot
from visearch.errors import WeightsMismatch


def stored_arrays(model: nnx.Module) -> dict[tuple[Any, ...], nnx.Variable[Any]]:
    """Return the parameters and batch statistics of ``model`` by path."""
    return dict(nnx.to_flat_state(nnx.state(model, (nnx.Param, nnx.BatchStat))))


def slots(model: nnx.Module, naming: Naming = OWN) -> list[Slot]:
    """Return where a checkpoint with this naming stores each array of ``model``."""
    return [
        slot(naming, ".".join(str(part) for part in path), variable.shape)
        for path, variable in stored_arrays(model).items()
    ]


def to_tensors(model: nnx.Module, like: nnx.Module | None = None) -> dict[str, Array]:
    """Return the model's arrays in visearch's names and layouts, float32.

    With ``like``, only those that this smaller model has, too.
    """
    wanted = {place.key for place in slots(like or model)}
    return {
        place.key: place.write(np.asarray(variable[...], dtype=np.float32))
        for place, variable in zip(slots(model), stored_arrays(model).values(), strict=True)
        if place.key in wanted
    }


def load_tensors(model: Model, tensors: Mapping[str, Array]) -> str:
    """Fill ``model`` in place from a checkpoint's ``tensors``, cast to float32.

    The naming, visearch's or one of the family's, is the one that knows most of the keys. A
    wrong guess cannot load wrong weights, because everything must fit.

    Returns:
        The naming's name.

    Raises:
        WeightsMismatch: a key is missing or unexpected, or a shape differs. The message lists
            all differences; the model stays unchanged.
    """
    naming, places = max(
        ((naming, slots(model, naming)) for naming in (OWN, *model.namings())),
        key=lambda pair: sum(place.key in tensors for place in pair[1]),
    )
    used = {key: value for key, value in tensors.items() if not naming.ignores(key)}
    if differences := _differences({place.key: place.shape for place in places}, used):
        raise WeightsMismatch(
            f"The checkpoint does not fit the architecture (in the names of {naming.name}):\n  "
            + "\n  ".join(differences)
        )
    filled = [
        (path, variable.replace(jnp.asarray(place.read(used[place.key].astype(np.float32)))))
        for place, (path, variable) in zip(places, stored_arrays(model).items(), strict=True)
    ]
    nnx.update(model, nnx.from_flat_state(filled))
    return naming.name


def _differences(wanted: Mapping[str, tuple[int, ...]], tensors: Mapping[str, Array]) -> list[str]:
    lines = [f"missing {key}" for key in sorted(wanted.keys() - tensors.keys())]
    lines += [f"unexpected {key}" for key in sorted(tensors.keys() - wanted.keys())]
    for key in sorted(wanted.keys() & tensors.keys()):
        if tensors[key].shape != wanted[key]:
            lines.append(f"shape of {key} is {tensors[key].shape}, expected {wanted[key]}")
    return lines


def load_checkpoint(path: Path) -> dict[str, Array]:
    """Load all tensors of a safetensors or PyTorch file (``.pth``, ``.pt``, ``.bin``).

    Raises:
        WeightsMismatch: the file is neither, or is broken or hostile.
    """
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise WeightsMismatch(f"{path} cannot be read: {error.strerror}.") from error
    return pth.load(path) if pth.looks_like(head) else load_safetensors(path)


def load_safetensors(path: Path) -> dict[str, Array]:
    """Load all tensors of a safetensors file.

    Raises:
        WeightsMismatch: the file is not safetensors, or is broken.
    """
    with safetensors_errors(path.name):
        return dict(load_file(path))


def save_safetensors(
    path: Path,
    tensors: Mapping[str, Array],
    metadata: Mapping[str, str],
    dtype: npt.DTypeLike = np.float16,
) -> None:
    """Write ``tensors`` as ``dtype`` with ``metadata``; replace ``path`` atomically.

    Raises:
        ValueError: a weight is not finite, or too large for ``dtype``.
    """
    with np.errstate(over="ignore"):
        cast = {key: value.astype(dtype) for key, value in tensors.items()}
    for key, value in cast.items():
        if not np.isfinite(value).all():
            raise ValueError(f"{key} has weights that {np.dtype(dtype)} cannot hold")
    part = path.with_name(path.name + ".part")
    save_file(cast, part, metadata=dict(metadata))
    part.replace(path)
