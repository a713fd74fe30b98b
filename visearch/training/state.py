"""The state of a run and its file, from which a killed run resumes with the same result."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from visearch.errors import InvalidRequest
from visearch.training.data import Dataset
from visearch.training.network import Arrays
from visearch.training.recipe import Recipe
from visearch.training.terms import Memory

_RUN = "run"
_STEP = "step"


class State(NamedTuple):
    """``trained`` are weights and proxies; ``average`` is the moving average of the weights."""

    trained: dict[str, Arrays]
    rest: Arrays
    average: Arrays
    optimizer: Any
    memory: Memory


def run_digest(recipe: Recipe, data: Dataset, shares: dict[int, float]) -> str:
    """Return a digest of everything that determines a run's result, on equal devices."""
    said = asdict(recipe) | {"shares": sorted(shares.items()), "devices": jax.device_count()}
    for name, network in recipe.networks.items():  # its content counts, not its path
        said[name] = asdict(network) | {"weights": None}
    said["teachers"] = len(recipe.teachers)
    said["weights"] = {
        role: hashlib.sha256(path.read_bytes()).hexdigest() for role, path in recipe.weights.items()
    }
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for picture in data.pictures:
        digest.update(hashlib.sha256(picture).digest())
    digest.update(data.labels.tobytes() + data.sources.tobytes())
    return digest.hexdigest()


def save(path: Path, state: State, step: int, run: str) -> None:
    """Write ``state`` as it is after ``step`` steps; replace ``path`` atomically."""
    leaves = jax.tree_util.tree_flatten_with_path(state)[0]
    arrays = {jax.tree_util.keystr(key): _plain(leaf) for key, leaf in leaves}
    part = path.with_name(path.name + ".part")
    save_file(arrays, part, metadata={_RUN: run, _STEP: str(step)})
    part.replace(path)


def restore(path: Path, like: State, run: str) -> tuple[State, int]:
    """Read the state of the same ``run``, shaped like ``like``, and its number of steps.

    Raises:
        InvalidRequest: the file belongs to another run, or is damaged.
    """
    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
            if metadata.get(_RUN) != run:
                raise InvalidRequest(
                    f"{path} belongs to a run with another recipe or other data. Delete it to "
                    "start over, or choose another --out."
                )
            leaves, tree = jax.tree_util.tree_flatten_with_path(like)
            values = [_like(file.get_tensor(jax.tree_util.keystr(k)), leaf) for k, leaf in leaves]
    except (SafetensorError, ValueError) as error:
        raise InvalidRequest(f"{path} is damaged ({error}). Delete it to start over.") from error
    restored: State = jax.tree_util.tree_unflatten(tree, values)
    return restored, int(metadata[_STEP])


def _plain(leaf: jax.Array) -> np.ndarray[Any, Any]:
    key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    # Not ascontiguousarray, which adds an axis to scalars: the step would be recompiled.
    return np.asarray(jax.random.key_data(leaf) if key else leaf, order="C")


def _like(value: np.ndarray[Any, Any], leaf: jax.Array) -> jax.Array:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        key: jax.Array = jax.random.wrap_key_data(jnp.asarray(value))
        return key
    if value.shape != leaf.shape:
        raise ValueError(f"an array has shape {value.shape}, not {leaf.shape}")
    array: jax.Array = jnp.asarray(value, leaf.dtype)
    return array
