"""Where training starts: random weights, or those of a pretrained network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from visearch.encoders import registry
from visearch.encoders.checkpoints.header import read_metadata
from visearch.encoders.families.model import Model
from visearch.encoders.runtimes.flax_export import load
from visearch.encoders.spec import METADATA_KEY, read_notes, resolve
from visearch.errors import InvalidRequest, WeightsMismatch
from visearch.images import decode
from visearch.training.data import Dataset
from visearch.training.network import parameter_name
from visearch.training.recipe import Pretrained, Recipe
from visearch.training.step import pixels_to_input

_PROJECTION_SAMPLE = 2048
_CHUNK = 32
_LEAST_LENGTH = 1e-3  # of features; those of an untrained network may be nearly nothing


def new_model(recipe: Recipe) -> Model:
    """Make the recipe's network with random weights, in training mode."""
    embedding = recipe.embedding or registry.VARIANTS[recipe.architecture].embedding
    model = registry.build(recipe.architecture, seed=recipe.seed, classes=None, embedding=embedding)
    model.train()
    for path, module in nnx.iter_modules(model):
        if parameter_name(path).startswith(recipe.frozen):
            module.eval()  # else its batch norm would go on averaging
    return model


def load_teacher(recipe: Recipe, student: Model) -> Model | None:
    """Open the recipe's teacher.

    Raises:
        InvalidRequest: a term compares features whose lengths differ.
    """
    if recipe.teacher is None:
        return None
    teacher = _open(recipe.teacher)
    ours, theirs = student.config.features, teacher.config.features
    if ours != theirs and any(term.kind == "teacher_features" for term in recipe.terms):
        raise InvalidRequest(
            f"teacher_features compares features of one length, but {recipe.architecture} has "
            f"{ours} and {recipe.teacher.architecture} {theirs}; use teacher_relations"
        )
    return teacher


def start_from(model: Model, recipe: Recipe, data: Dataset) -> set[str]:
    """Copy into ``model`` what the recipe's start has in the same place and shape.

    Projections to an embedding that it does not have start as the principal directions of
    its features on pictures of ``data``. Returns the names of the parameters that only
    hold a first guess.

    Raises:
        InvalidRequest: the networks have nothing in common.
    """
    assert recipe.start is not None
    donor = _open(recipe.start)
    filled = _copy(model, donor)
    if not filled:
        raise InvalidRequest(f"{recipe.architecture} shares no weights with {donor.config}")
    fresh = _arrays(model).keys() - filled
    names = {parameter_name(path) for path in fresh}
    if model.config.embedding is None or not fresh:
        return names
    started = model.start_heads(lambda: _principal_directions(donor.features, recipe, data))
    return {name for name in names if not name.startswith(started)}


def fill_branch(model: Model, recipe: Recipe, data: Dataset) -> tuple[str, ...]:
    """Copy a network into the submodule that the recipe's branch names.

    If it has an embedding, what follows in ``model`` starts as the best directions of that.
    Returns the names (or their beginnings) of the parameters filled.

    Raises:
        InvalidRequest: there is no such submodule, or it is another network.
    """
    branch = recipe.branch
    assert branch is not None
    donor = _open(branch)
    filled = _copy(model, donor, branch.into)
    own = {path for path in _arrays(model) if path[0] == branch.into}
    if not own or own != filled:
        raise InvalidRequest(f"no part of the network called {branch.into!r} is a {donor.config}")
    names = (f"{branch.into}/",)
    if donor.config.embedding is None:
        return names
    best = _principal_directions(lambda x: donor.embed(model.branch_input(x)), recipe, data)
    return (*names, *model.start_branch(donor.head.kernel[...] @ best))


def _arrays(model: Model) -> dict[tuple[Any, ...], nnx.Variable[Any]]:
    return dict(nnx.to_flat_state(nnx.state(model, (nnx.Param, nnx.BatchStat))))


def _copy(model: Model, donor: Model, into: str = "") -> set[tuple[Any, ...]]:
    """Copy what has one place and shape; returns the places in ``model``."""
    prefix = (into,) if into else ()
    theirs = {(*prefix, *path): variable for path, variable in _arrays(donor).items()}
    common = {
        path
        for path, variable in _arrays(model).items()
        if path in theirs and theirs[path].shape == variable.shape
    }
    nnx.update(model, nnx.from_flat_state([(path, theirs[path]) for path in common]))
    return common


def _open(pretrained: Pretrained) -> Model:
    """Open a published checkpoint, or a file that ``visearch train`` wrote."""
    if _is_ours(pretrained.weights):
        spec = resolve(f"file:{pretrained.weights}")
        if spec.architecture != pretrained.architecture:
            raise InvalidRequest(f"{pretrained.weights} holds a {spec.architecture}")
        return load(spec)
    own = pretrained.classes is None
    overrides: registry.Overrides = {} if own else {"classes": pretrained.classes or None}
    return registry.load_model(pretrained.architecture, pretrained.weights, **overrides)


def lineage(pretrained: Pretrained) -> dict[str, Any]:
    """Return the recipe that a network of ours says it was trained by, as ``recipe``."""
    if not _is_ours(pretrained.weights):
        return {}
    return {"recipe": read_notes(pretrained.weights).get("recipe")}


def _is_ours(path: Path) -> bool:
    try:
        return METADATA_KEY in read_metadata(path)
    except WeightsMismatch:  # not safetensors
        return False


def _principal_directions(
    embed: Callable[[jax.Array], jax.Array], recipe: Recipe, data: Dataset
) -> jax.Array:
    """Return float32 [C, C]: directions of what ``embed`` gives, strongest first.

    Not centred, so that cosines change least; scaled so that features of mean length
    have length 1.
    """

    @jax.jit
    def run(x: jax.Array) -> jax.Array:
        return embed(pixels_to_input(x, recipe.size, recipe.mean, recipe.std))

    rng = np.random.default_rng([recipe.seed, 2])
    rows = rng.permutation(len(data))[:_PROJECTION_SAMPLE]
    pixels = recipe.preprocess.pixels
    features = np.concatenate(
        [
            np.asarray(run(jnp.asarray(np.stack([pixels(decode(data.pictures[i])) for i in part]))))
            for part in np.array_split(rows, max(1, len(rows) // _CHUNK))
        ]
    )
    directions = np.linalg.svd(features.T @ features)[0]
    length = max(float(np.linalg.norm(features, axis=1).mean()), _LEAST_LENGTH)
    return jnp.asarray(directions / length, jnp.float32)
