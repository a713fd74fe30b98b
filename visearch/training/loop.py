"""The training loop: batches in, an encoder file out. Resumes a run that was killed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax
from flax import nnx
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from visearch.encoders import registry
from visearch.encoders.checkpoints.weights import save_safetensors, to_tensors
from visearch.encoders.families.model import Model
from visearch.encoders.spec import metadata_for
from visearch.errors import InvalidRequest, TrainingFailed
from visearch.training.batches import Batch, Sampler, batches, taught
from visearch.training.data import Dataset
from visearch.training.examples import Examples, principal_directions
from visearch.training.network import Arrays, Network, parameter_name
from visearch.training.recipe import Kind, Recipe
from visearch.training.start import fill_branch, lineage, new_model, start_from, start_joint
from visearch.training.state import State, restore, run_digest, save
from visearch.training.step import make_step, optimizer
from visearch.training.teachers import Teachers
from visearch.training.terms import Memory, rivals

Report = Callable[[int, dict[str, float], Batch], None]


def train(
    data: Dataset,
    shares: dict[int, float],
    recipe: Recipe,
    out: Path,
    *,
    report: Report = lambda step, parts, batch: None,
    save_every: int = 200,
    processes: int = 0,
) -> None:
    """Train an encoder on ``data`` and write it to ``out`` (safetensors, float16).

    Every ``save_every`` steps the state is saved beside ``out`` (with ``.state`` added). A run
    that was killed resumes from there and ends with the same weights. ``report(steps done,
    losses, batch)`` is called every tenth step. On one machine, ``recipe.seed`` determines
    the result. All devices share each batch.

    Raises:
        InvalidRequest: the state belongs to another run, weights do not fit, or a batch
            cannot be divided evenly among the devices.
        TrainingFailed: a loss is NaN or infinite; the state saved last is sound.
    """
    if not len(data):
        raise InvalidRequest(
            "There is no picture to train on: all are held out or left out. Hold out fewer."
        )
    model = new_model(recipe)
    widths = model.widths | {"all": registry.dimension(model.config)}
    teachers = Teachers.of(recipe)
    _require_fit(recipe, model, widths, teachers)
    sampler = Sampler(data, shares, recipe)
    examples = Examples(data, sampler, recipe)
    aims, wanted = _aims(recipe, widths, teachers, examples)
    fresh = _all_names(model)
    if recipe.start:
        fresh = start_from(model, recipe, examples, wanted)
    if recipe.branch:
        filled = fill_branch(model, recipe, examples)
        filled += start_joint(model, recipe, examples)
        fresh = {name for name in fresh if not name.startswith(filled)}
    network = Network(model, recipe.frozen)
    if not recipe.steps:
        _write(out, recipe, network, {**network.weights, **network.rest})
        return
    transform = optimizer(recipe, frozenset(fresh))
    state = _first_state(network, widths, recipe, data, transform)
    began = {**network.weights, **network.rest}
    out.parent.mkdir(parents=True, exist_ok=True)
    kept, run = out.with_name(out.name + ".state"), run_digest(recipe, data, shares)
    done = 0
    if kept.exists():
        state, done = restore(kept, state, run)
    place, everywhere = _placement(recipe)
    state = jax.device_put(state, everywhere)
    step = make_step(recipe, network, aims, transform, rivals(data), everywhere)
    drawn = batches(data, sampler, recipe, done, processes)
    lessons = taught(drawn, teachers) if teachers else drawn
    for number, batch in enumerate(lessons, start=done):
        state, parts = step(state, place(batch), number)
        done = number + 1
        if done % 10 == 0 or done % save_every == 0 or done == recipe.steps:
            losses = {name: float(value) for name, value in parts.items()}
            _require_finite(losses, done)
        if done % 10 == 0:
            report(done, losses, batch)
        if done % save_every == 0 and done < recipe.steps:
            _require_sound(state, done)
            save(kept, state, done, run)
    _require_sound(state, done)
    _write(out, recipe, network, _blend(state.average, began, recipe.keep_start))
    kept.unlink(missing_ok=True)


def _require_finite(losses: dict[str, float], step: int) -> None:
    if wrong := [name for name, value in losses.items() if not math.isfinite(value)]:
        raise TrainingFailed(
            f"A loss is not a number at step {step} ({', '.join(wrong)}). Lower learning_rate or "
            "head_learning_rate, or raise temperature."
        )


def _require_sound(state: State, step: int) -> None:
    """Refuse weights that are NaN or infinite: the loss shows it one step later."""
    kept = {**state.trained["weights"], **state.average}
    numbers = [x for x in kept.values() if jnp.issubdtype(x.dtype, jnp.floating)]
    if not all(bool(jnp.isfinite(x).all()) for x in numbers):
        raise TrainingFailed(
            f"The weights are no longer numbers after step {step}. Lower learning_rate or "
            "head_learning_rate."
        )


def _aims(
    recipe: Recipe, widths: dict[str, int], teachers: Teachers | None, examples: Examples
) -> tuple[Arrays, npt.NDArray[np.float32] | None]:
    """Return the projections of what teachers say, by part of the embedding.

    They are its principal directions on the examples. Also returns what the whole embedding of
    each example should be, float32 [n, d], if a term says so.
    """
    parts = sorted({term.part for term in recipe.terms if term.kind == "teacher_embedding"})
    if teachers is None or not parts:
        return {}, None
    said = examples.taught(teachers)
    best = principal_directions(said, recipe.whitening)
    aims = {part: best[:, : widths[part]] for part in parts}
    return aims, said @ np.asarray(aims["all"]) if "all" in aims else None


def _require_fit(
    recipe: Recipe, model: Model, widths: dict[str, int], teachers: Teachers | None
) -> None:
    """Refuse what is wrong in a recipe and only the networks can tell."""
    said, features = teachers.dimension if teachers else 0, model.config.features
    kinds = {term.kind for term in recipe.terms}
    longest = max(
        (widths.get(t.part, 0) for t in recipe.terms if t.kind == "teacher_embedding"), default=0
    )
    names, whole = _all_names(model), widths["all"]
    parts = set(widths) - {"all"}
    unknown = {term.part for term in recipe.terms} - set(widths)
    idle = [f for f in recipe.frozen if not any(name.startswith(f) for name in names)]
    uneven = [
        n for n in recipe.lengths if n >= whole or any(w * n % whole for w in widths.values())
    ]
    wrong = {
        "the length of its embedding is fixed; omit `embedding`": (
            bool(parts)
            and recipe.embedding not in (None, registry.VARIANTS[recipe.architecture].embedding)
        ),
        f"its embedding has no part {', '.join(sorted(unknown))}; "
        f"its parts are {', '.join(sorted(widths))}": unknown,
        f"part_weights must weigh {', '.join(sorted(parts)) or 'nothing'}, and one above 0": (
            bool(recipe.part_weights)
            and (set(recipe.part_weights) != parts or not any(recipe.part_weights.values()))
        ),
        f"no parameter's name begins with {', '.join(idle)}": idle,
        f"an embedding of {whole} numbers cannot be cut to {uneven}": uneven,
        f"teacher_features compares its {features} features with the teachers' {said} numbers, "
        "which must be as many; use teacher_embedding or teacher_relations": (
            "teacher_features" in kinds and features != said
        ),
        f"teacher_embedding needs {longest} numbers of the teachers, who have {said}": (
            longest > said
        ),
    }
    if problems := [text for text, is_wrong in wrong.items() if is_wrong]:
        raise InvalidRequest(
            f"The recipe does not fit {recipe.architecture}: {'; '.join(problems)}."
        )


def _all_names(model: nnx.Module) -> set[str]:
    return {parameter_name(path) for path, _ in nnx.to_flat_state(nnx.state(model, nnx.Param))}


def _first_state(
    network: Network,
    widths: dict[str, int],
    recipe: Recipe,
    data: Dataset,
    transform: optax.GradientTransformation,
) -> State:
    key = jax.random.key(recipe.seed)
    classes, size = len(data.names), max((term.memory for term in recipe.terms), default=0)

    def parts_of(kind: Kind) -> dict[str, int]:
        used = sorted({term.part for term in recipe.terms if term.kind == kind})
        return {part: widths[part] for part in used}

    proxies = {
        part: jax.random.normal(key, (max(1, classes), width)) / width**0.5
        for part, width in parts_of("proxy").items()
    }
    trained = {"weights": network.weights, "proxies": proxies}
    remembered = {part: jnp.zeros((size, w)) for part, w in parts_of("same_picture").items()}
    memory = Memory(remembered, jnp.full(size, -1, jnp.int32))
    average = {**network.weights, **network.rest}
    state = State(trained, network.rest, average, transform.init(trained), memory)
    # The step donates its buffers, so no two parts may share one.
    own: State = jax.tree.map(jnp.copy, state)
    return own


def _placement(recipe: Recipe) -> tuple[Callable[[Batch], Batch], NamedSharding]:
    """Return how a batch is divided among the devices, and the placement of everything else."""
    devices = jax.device_count()
    if recipe.batch % devices or recipe.mixtures % devices:
        raise InvalidRequest(
            f"The recipe's batch and mixtures must be multiples of {devices}, the device count."
        )
    mesh = jax.make_mesh((devices,), ("data",), axis_types=(AxisType.Auto,))
    rows = NamedSharding(mesh, PartitionSpec("data"))
    everywhere = NamedSharding(mesh, PartitionSpec())
    return lambda batch: Batch(*(jax.device_put(part, rows) for part in batch)), everywhere


def _blend(average: Arrays, start: Arrays, share: float) -> Arrays:
    if not share:
        return average
    return {
        name: share * start[name] + (1 - share) * value
        if jnp.issubdtype(value.dtype, jnp.floating)
        else value
        for name, value in average.items()
    }


def _write(out: Path, recipe: Recipe, network: Network, arrays: Arrays) -> None:
    weights = {name: arrays[name] for name in network.weights}
    rest = {name: arrays[name] for name in network.rest}
    model = network.model(weights, rest)
    dimension = registry.dimension(model.config)
    notes = asdict(recipe) | {
        name: {"architecture": each.architecture, "weights": each.weights.name, **lineage(each)}
        for name, each in recipe.networks.items()
    }
    notes["teachers"] = [each.weights.name for each in recipe.teachers]
    metadata = metadata_for(recipe.architecture, dimension, recipe.preprocess, recipe=notes)
    try:
        save_safetensors(out, to_tensors(model), metadata)
    except ValueError as error:
        raise TrainingFailed(f"The result cannot be stored in float16: {error}.") from error
