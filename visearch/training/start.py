"""Where training starts: random weights, or those of pretrained networks."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import numpy.typing as npt
from flax import nnx

from visearch.encoders import registry
from visearch.encoders.checkpoints.weights import stored_arrays
from visearch.encoders.families.model import Model
from visearch.encoders.runtimes.flax_export import load
from visearch.encoders.spec import is_encoder_file, read_notes, resolve
from visearch.errors import InvalidRequest
from visearch.training.examples import Examples, nearest_map, principal_directions
from visearch.training.network import parameter_name
from visearch.training.recipe import Pretrained, Recipe


def new_model(recipe: Recipe) -> Model:
    """Make the recipe's network with random weights, in training mode."""
    embedding = recipe.embedding or registry.VARIANTS[recipe.architecture].embedding
    model = registry.build(recipe.architecture, seed=recipe.seed, classes=None, embedding=embedding)
    model.train()
    for path, module in nnx.iter_modules(model):
        if parameter_name(path).startswith(recipe.frozen):
            module.eval()  # stop its batch norm from updating the running statistics
    return model


def start_from(
    model: Model, recipe: Recipe, examples: Examples, aims: npt.NDArray[np.float32] | None
) -> set[str]:
    """Copy into ``model`` the arrays of the recipe's start with the same path and shape.

    Projections that the start does not have begin as the principal directions of its
    features on the examples or, where ``aims`` float32 [n, d] are what the teachers want of
    them, as what comes nearest to that. Returns the names of the parameters that have only
    a first guess.

    Raises:
        InvalidRequest: the networks have nothing in common.
    """
    assert recipe.start is not None
    donor = _open(recipe.start)
    filled = _copy(model, donor)
    if not filled:
        raise InvalidRequest(
            f"{recipe.architecture} has no weights in common with [start], a {donor.config}. "
            "Start from another network."
        )
    fresh = stored_arrays(model).keys() - filled
    names = {parameter_name(path) for path in fresh}
    if model.config.embedding is None or not fresh:
        return names

    def directions() -> jax.Array:
        features = examples.run(donor.features, recipe)
        if aims is not None:
            return nearest_map(features, aims)
        return principal_directions(features, recipe.whitening)

    started = model.start_heads(directions)
    return {name for name in names if not name.startswith(started)}


def fill_branch(model: Model, recipe: Recipe, examples: Examples) -> tuple[str, ...]:
    """Copy the recipe's branch into the submodule that it names.

    If the branch has an embedding, the layer after it in ``model`` begins as the strongest
    directions of that embedding. Returns the prefixes of the parameter names filled.

    Raises:
        InvalidRequest: there is no such submodule, or it has another architecture.
    """
    branch = recipe.branch
    assert branch is not None
    donor = _open(branch)
    filled = _copy(model, donor, branch.into)
    own = {path for path in stored_arrays(model) if path[0] == branch.into}
    if not own or own != filled:
        raise InvalidRequest(
            f"{recipe.architecture} has no submodule called {branch.into!r} that is a "
            f"{donor.config}. Correct `into` of [branch]."
        )
    names = (f"{branch.into}/",)
    if donor.config.embedding is None:
        return names
    best = principal_directions(examples.run(lambda x: donor.embed(model.branch_input(x)), recipe))
    return (*names, *model.start_branch(donor.head.kernel[...] @ best))


def start_joint(model: Model, recipe: Recipe, examples: Examples) -> tuple[str, ...]:
    """Start the projection of several networks' features, if ``model`` has one.

    Returns the prefixes of the parameter names filled.
    """
    if not model.joins:
        return ()
    filled = nnx.clone(model)
    filled.eval()
    features = examples.run(filled.joint_features, recipe)
    return model.start_joint(principal_directions(features, recipe.whitening))


def _copy(model: Model, donor: Model, into: str = "") -> set[tuple[Any, ...]]:
    """Copy the arrays with the same path and shape; return their paths in ``model``."""
    prefix = (into,) if into else ()
    theirs = {(*prefix, *path): variable for path, variable in stored_arrays(donor).items()}
    common = {
        path
        for path, variable in stored_arrays(model).items()
        if path in theirs and theirs[path].shape == variable.shape
    }
    nnx.update(model, nnx.from_flat_state([(path, theirs[path]) for path in common]))
    return common


def _open(pretrained: Pretrained) -> Model:
    """Load a published checkpoint, or a file that ``visearch train`` wrote."""
    if is_encoder_file(pretrained.weights):
        spec = resolve(f"file:{pretrained.weights}")
        if spec.architecture != pretrained.architecture:
            raise InvalidRequest(
                f"{pretrained.weights} is a {spec.architecture}, not a {pretrained.architecture}."
            )
        return load(spec)
    own = pretrained.classes is None
    overrides: registry.Overrides = {} if own else {"classes": pretrained.classes or None}
    return registry.load_model(pretrained.architecture, pretrained.weights, **overrides)


def lineage(pretrained: Pretrained) -> dict[str, Any]:
    """Return, as ``recipe``, the recipe recorded in a file that visearch trained."""
    if not is_encoder_file(pretrained.weights):
        return {}
    return {"recipe": read_notes(pretrained.weights).get("recipe")}
