"""The training loop: two views of each picture, contrastive terms, AdamW, weight averaging."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax
from flax import nnx
from PIL import Image

from visearch.encoders import registry
from visearch.encoders.model import Model
from visearch.encoders.spec import metadata_for
from visearch.encoders.weights import (
    load_safetensors,
    load_tensors,
    save_safetensors,
    to_tensors,
)
from visearch.images import decode
from visearch.training.augment import view
from visearch.training.data import Dataset
from visearch.training.losses import nt_xent, supervised_contrastive
from visearch.training.recipe import Recipe

Batch = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]


def batches(data: Dataset, recipe: Recipe) -> Iterator[Batch]:
    """Yield ``recipe.steps`` batches: uint8 [2·batch, S, S, 3] and labels [2·batch, levels].

    Row i and row i + batch are views of one picture. Batch t depends only on the seed
    and t. Raises ValueError when the data do not fill one batch.
    """
    if len(data) < recipe.batch:
        raise ValueError(f"{len(data)} pictures do not fill one batch of {recipe.batch}")
    per_epoch = len(data) // recipe.batch
    order = np.empty(0, np.int64)
    for step in range(recipe.stop or recipe.steps):
        epoch, at = divmod(step, per_epoch)
        if at == 0:
            order = _epoch_order(data, recipe, np.random.default_rng([recipe.seed, 0, epoch]))
        picked = order[at * recipe.batch : (at + 1) * recipe.batch]
        rng = np.random.default_rng([recipe.seed, 1, step])
        images = [decode(data.pictures[i]) for i in picked]
        yield _two_views(images, rng, recipe), np.tile(data.labels[picked], (2, 1))


def _epoch_order(data: Dataset, recipe: Recipe, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return a random order of the pictures in whole batches; see ``hard_window``."""
    order = rng.permutation(len(data))[: len(data) // recipe.batch * recipe.batch]
    if recipe.hard_window < 2:
        return order
    window = recipe.hard_window * recipe.batch
    parts = [order[at : at + window] for at in range(0, len(order), window)]
    levels = data.labels[:, : recipe.hard_levels].T[::-1]  # lexsort's last key sorts first
    kinds = [part[np.lexsort(levels[:, part])] for part in parts]
    cut = np.concatenate(kinds).reshape(-1, recipe.batch)
    return cut[rng.permutation(len(cut))].reshape(-1)


def _two_views(
    images: Sequence[Image.Image], rng: np.random.Generator, recipe: Recipe
) -> npt.NDArray[np.uint8]:
    def views() -> list[npt.NDArray[np.uint8]]:
        return [view(image, rng, recipe.preprocess, recipe.strength) for image in images]

    plain = [recipe.preprocess.pixels(image) for image in images] if recipe.clean_view else None
    return np.stack((plain or views()) + views())


def _prefetched(source: Iterator[Batch], depth: int = 4) -> Iterator[Batch]:
    """Run ``source`` in a thread, ``depth`` batches ahead; its error is raised here."""
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(depth)

    def produce() -> None:
        try:
            for batch in source:
                ready.put(batch)
            ready.put(None)
        except Exception as error:  # noqa: BLE001  (raised again by the consumer)
            ready.put(error)

    threading.Thread(target=produce, daemon=True, name="augment").start()
    while (item := ready.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item


def _loss(
    model: Model, pixels: jax.Array, labels: jax.Array, recipe: Recipe
) -> tuple[jax.Array, dict[str, jax.Array]]:
    z = model.embed(pixels.astype(jnp.float32) / 127.5 - 1.0)
    z = z / jnp.linalg.norm(z, axis=1, keepdims=True)
    same_picture = nt_xent(z, recipe.temperature)
    terms = [
        supervised_contrastive(z, labels[:, i], recipe.temperature) for i in range(labels.shape[1])
    ]
    same_label = jnp.mean(jnp.stack(terms)) if terms else jnp.zeros(())
    parts = {"same_picture": same_picture, "same_label": same_label}
    return same_picture + recipe.label_weight * same_label, parts


def _make_step(
    recipe: Recipe,
) -> Callable[..., tuple[nnx.State[Any, Any], dict[str, jax.Array]]]:
    @nnx.jit(donate_argnums=(2,))
    def step(
        model: Model,
        optimizer: nnx.Optimizer[Model],
        mean: nnx.State[Any, Any],
        pixels: jax.Array,
        labels: jax.Array,
    ) -> tuple[nnx.State[Any, Any], dict[str, jax.Array]]:
        grad = nnx.value_and_grad(_loss, has_aux=True)
        (_, parts), grads = grad(model, pixels, labels, recipe)
        optimizer.update(model, grads)
        keep = recipe.average
        now = nnx.state(model, (nnx.Param, nnx.BatchStat))
        mean = jax.tree.map(lambda m, p: keep * m + (1 - keep) * p, mean, now)
        return mean, parts

    return step


def train(
    data: Dataset,
    recipe: Recipe,
    out: Path,
    *,
    report: Callable[[int, dict[str, float]], None] = lambda step, parts: None,
    save_every: int = 250,
    start: Path | None = None,
) -> None:
    """Train an encoder on ``data`` and write it to ``out`` (safetensors, float16).

    The written weights are the exponential moving average of the trained ones; ``out``
    is also rewritten every ``save_every`` steps. ``report(step, losses)`` is called
    every tenth step. Training starts from the weights in ``start`` if given.
    Deterministic by ``recipe.seed`` on one machine.
    """
    model = registry.build(recipe.architecture, seed=recipe.seed)
    if start is not None:
        load_tensors(model, load_safetensors(start))
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, recipe.learning_rate, recipe.warmup, recipe.steps, recipe.learning_rate * 1e-2
    )
    transform = optax.adamw(schedule, weight_decay=recipe.weight_decay)
    optimizer = nnx.Optimizer(model, transform, wrt=nnx.Param)
    mean = jax.tree.map(jnp.copy, nnx.state(model, (nnx.Param, nnx.BatchStat)))
    run = _make_step(recipe)
    for step, (pixels, labels) in enumerate(_prefetched(batches(data, recipe)), start=1):
        mean, parts = run(model, optimizer, mean, jnp.asarray(pixels), jnp.asarray(labels))
        if step % 10 == 0:
            report(step, {name: float(value) for name, value in parts.items()})
        if step % save_every == 0 or step == (recipe.stop or recipe.steps):
            _save(out, recipe, mean)


def _save(out: Path, recipe: Recipe, mean: nnx.State[Any, Any]) -> None:
    averaged = registry.build(recipe.architecture)
    nnx.update(averaged, mean)
    dimension = registry.VARIANTS[recipe.architecture].embedding or 0
    notes = asdict(recipe)
    metadata = metadata_for(recipe.architecture, dimension, recipe.preprocess, recipe=notes)
    save_safetensors(out, to_tensors(averaged), metadata)
