"""The terms of the loss, by the kinds that a recipe names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from visearch.training import losses
from visearch.training.batches import Batch
from visearch.training.data import Dataset
from visearch.training.network import Arrays
from visearch.training.recipe import LABELLED, Kind, Term


class Memory(NamedTuple):
    """Embeddings of earlier batches, newest first, and their pictures.

    ``vectors`` float32 [m, d] by part of the embedding, ``rows`` int32 [m] (-1: empty).
    """

    vectors: Arrays
    rows: jax.Array


@dataclass(frozen=True)
class Seen:
    """The data of one step that terms may use.

    ``parts`` float32 [2·batch + mixtures, width], by part, are the unit embeddings of the
    weak views, the strong views and the mixtures, ``features`` [2·batch + mixtures, C] their
    pooled features. ``aims`` float32 [C, width], by part, project what teachers say of them
    to what the part should be. ``proxies`` are float32
    [classes, width] by part. ``rivals`` bool [levels, sources, classes] are the classes that
    a picture of a source can have.
    """

    batch: Batch
    parts: Arrays
    features: jax.Array
    aims: Arrays
    proxies: Arrays
    memory: Memory
    rivals: npt.NDArray[np.bool_]

    def labels(self, level: int) -> jax.Array:
        """Return the labels of all views at ``level``, int32 [2·batch]."""
        return jnp.tile(jnp.asarray(self.batch.labels)[:, level], 2)


@dataclass(frozen=True)
class View:
    """What one term uses: the first ``width`` numbers of its part of the embedding."""

    seen: Seen
    part: str
    width: int

    @property
    def z(self) -> jax.Array:
        """Unit embeddings of the views, float32 [2·batch, width]."""
        return self.every[: 2 * len(self.seen.batch.rows)]

    @property
    def every(self) -> jax.Array:
        """Unit embeddings of the views and the mixtures, float32 [2·batch + mixtures, width]."""
        return losses.unit(self.seen.parts[self.part][:, : self.width])

    @property
    def taught(self) -> jax.Array:
        """What the teachers say of them, float32 [2·batch + mixtures, C]."""
        return jnp.asarray(self.seen.batch.taught)

    @property
    def proxies(self) -> jax.Array:
        """Proxies of all classes, float32 [classes, width]."""
        return self.seen.proxies[self.part][:, : self.width]

    def remembered(self, size: int) -> tuple[jax.Array, jax.Array]:
        """Return the latest unit embeddings float32 [size, width] and their rows int32 [size]."""
        memory = self.seen.memory
        vectors = memory.vectors[self.part][:size, : self.width]
        return losses.unit(vectors), memory.rows[:size]


def _same_picture(term: Term, view: View) -> jax.Array:
    rows = jnp.asarray(view.seen.batch.rows)
    return losses.info_nce(view.z, rows, *view.remembered(term.memory), term.temperature)


def _same_label(term: Term, view: View) -> jax.Array:
    return losses.supervised_contrastive(view.z, view.seen.labels(term.level), term.temperature)


def _triplet(term: Term, view: View) -> jax.Array:
    return losses.triplet(view.z, view.seen.labels(term.level), term.margin)


def _proxy(term: Term, view: View) -> jax.Array:
    sources = jnp.tile(jnp.asarray(view.seen.batch.sources), 2)
    return losses.proxy(
        view.z,
        view.seen.labels(term.level),
        view.proxies,
        jnp.asarray(view.seen.rivals)[term.level, sources],
        temperature=term.temperature,
        margin=term.margin,
        smoothing=term.smoothing,
    )


def _teacher_features(_term: Term, view: View) -> jax.Array:
    return losses.cosine_distance(view.seen.features, view.taught)


def _teacher_embedding(_term: Term, view: View) -> jax.Array:
    return losses.cosine_distance(
        view.every, view.taught @ view.seen.aims[view.part][:, : view.width]
    )


def _teacher_relations(term: Term, view: View) -> jax.Array:
    z = view.z
    return losses.teacher_relations(z, view.taught[: len(z)], term.temperature)


_KINDS: dict[Kind, Callable[[Term, View], jax.Array]] = {
    "same_picture": _same_picture,
    "same_label": _same_label,
    "triplet": _triplet,
    "proxy": _proxy,
    "teacher_features": _teacher_features,
    "teacher_embedding": _teacher_embedding,
    "teacher_relations": _teacher_relations,
}


def total(
    terms: Sequence[Term], seen: Seen, lengths: Sequence[int]
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the weighted sum of the terms, and each term unweighted by name.

    A term is the mean over whole embeddings and those cut to ``lengths``; a cut keeps the
    same share of every part.
    """
    whole = seen.parts["all"].shape[1]

    def loss(term: Term) -> jax.Array:
        width = seen.parts[term.part].shape[1]
        views = [View(seen, term.part, width * cut // whole) for cut in (whole, *lengths)]
        return jnp.mean(jnp.stack([_KINDS[term.kind](term, view) for view in views]))

    parts = {name(term): loss(term) for term in terms}
    return sum((t.weight * parts[name(t)] for t in terms), start=jnp.zeros(())), parts


def name(term: Term) -> str:
    """Return a term's name in reports: its kind, with level and part where they matter."""
    level = f"_{term.level}" if term.kind in LABELLED else ""
    return f"{term.kind}{level}" + (f"_{term.part}" if term.part != "all" else "")


def rivals(data: Dataset) -> npt.NDArray[np.bool_]:
    """Return which classes occur at each level of each source, bool [levels, sources, classes].

    Classes of other sources are not rivals: two shops may use two names for one kind.
    """
    sources = int(data.sources.max()) + 1
    table = np.zeros((data.labels.shape[1], sources, len(data.names)), np.bool_)
    for level, labels in enumerate(data.labels.T):
        known = labels >= 0
        table[level, data.sources[known], labels[known]] = True
    return table
