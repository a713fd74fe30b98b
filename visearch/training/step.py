"""One step of training: views → losses → new weights, on one device or many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import NamedSharding

from visearch.training import terms
from visearch.training.batches import Batch
from visearch.training.losses import unit
from visearch.training.network import Arrays, Network
from visearch.training.recipe import Recipe
from visearch.training.state import State
from visearch.training.terms import Memory, Seen

Losses = dict[str, jax.Array]
Step = Callable[[State, Batch, int], tuple[State, Losses]]


def optimizer(recipe: Recipe, fresh: frozenset[str]) -> optax.GradientTransformation:
    """Make AdamW with warm-up and cosine decay; proxies and ``fresh`` weights learn faster."""

    def group(rate: float) -> optax.GradientTransformation:
        schedule = optax.warmup_cosine_decay_schedule(
            0.0, rate, recipe.warmup, recipe.steps, rate * 1e-2
        )
        return optax.adamw(schedule, b2=0.99, weight_decay=recipe.weight_decay)

    def labels(trained: dict[str, Arrays]) -> dict[str, dict[str, str]]:
        weights = {n: "head" if n in fresh else "body" for n in trained["weights"]}
        return {"weights": weights, "proxies": dict.fromkeys(trained["proxies"], "head")}

    groups = {"body": group(recipe.learning_rate), "head": group(recipe.head_learning_rate)}
    return optax.chain(
        optax.clip_by_global_norm(recipe.clip), optax.multi_transform(groups, labels)
    )


def pixels_to_input(
    pixels: jax.Array, side: int, mean: Sequence[float], std: Sequence[float]
) -> jax.Array:
    """Normalise and shrink uint8 [N, S, S, 3] to float32 [N, side, side, 3]."""
    x = (pixels.astype(jnp.float32) / 255.0 - jnp.asarray(mean)) / jnp.asarray(std)
    if side == x.shape[1]:
        return x
    shape = (x.shape[0], side, side, 3)
    small: jax.Array = jax.image.resize(x, shape, "linear", antialias=True)
    return small


def make_step(
    recipe: Recipe,
    network: Network,
    aims: Arrays,
    transform: optax.GradientTransformation,
    rivals: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    everywhere: NamedSharding,
) -> Step:
    """Return the compiled step: (state, batch, its number from 0) → (state, losses by name).

    ``aims`` project what teachers say to the parts of the embedding. The state is placed
    ``everywhere`` before and after, so that resuming does not recompile.
    """
    dtype = jnp.dtype(recipe.precision)

    def loss(
        trained: dict[str, Arrays], state: State, batch: Batch, side: int
    ) -> tuple[jax.Array, tuple[Losses, Arrays, Arrays]]:
        x = pixels_to_input(jnp.asarray(batch.pixels), side, recipe.mean, recipe.std)
        features, parts, rest = network.apply(trained["weights"], state.rest, x, dtype)
        half = len(batch.rows)
        seen = Seen(
            batch=batch,
            parts={name: unit(part) for name, part in parts.items()},
            features=features,
            aims=aims,
            proxies=trained["proxies"],
            memory=state.memory,
            rivals=rivals,
        )
        value, by_name = terms.total(recipe.terms, seen, recipe.lengths)
        weak = {name: part[:half] for name, part in seen.parts.items()}
        return value, (by_name, rest, weak)

    @partial(jax.jit, static_argnames=("side",), donate_argnums=(0,), out_shardings=everywhere)
    def step(state: State, batch: Batch, number: jax.Array, side: int) -> tuple[State, Losses]:
        gradient = jax.grad(loss, has_aux=True)
        grads, (parts, rest, weak) = gradient(state.trained, state, batch, side)
        updates, optimizer_state = transform.update(grads, state.optimizer, state.trained)
        trained = optax.apply_updates(state.trained, updates)
        average = _average(state.average, trained["weights"] | rest, recipe.average, number)
        memory = _remember(state.memory, weak, jnp.asarray(batch.rows))
        return State(trained, rest, average, optimizer_state, memory), parts

    return lambda state, batch, number: step(
        state, batch, jnp.float32(number), side=recipe.side_at(number)
    )


def _average(mean: Arrays, now: Arrays, decay: float, step: jax.Array) -> Arrays:
    """Update the average; early steps decay faster, so that the start fades out of it."""
    keep = jnp.minimum(decay, (1 + step) / (10 + step))
    return {
        name: keep * mean[name] + (1 - keep) * now[name]
        if jnp.issubdtype(now[name].dtype, jnp.floating)
        else now[name]
        for name in mean
    }


def _remember(memory: Memory, weak: Arrays, rows: jax.Array) -> Memory:
    size = len(memory.rows)
    vectors = {
        part: jnp.concatenate([jax.lax.stop_gradient(weak[part]), older])[:size]
        for part, older in memory.vectors.items()
    }
    return Memory(vectors, jnp.concatenate([rows, memory.rows])[:size])
