"""The terms of a loss: what a recipe's kinds mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from visearch.training import losses
from visearch.training.batches import Batch
from visearch.training.data import Dataset
from visearch.training.recipe import Kind, Term


class Memory(NamedTuple):
    """Embeddings of earlier batches, newest first: float32 [m, d], int32 [m] (-1: empty)."""

    vectors: jax.Array
    rows: jax.Array


@dataclass(frozen=True)
class Seen:
    """What a term may look at.

    ``z`` float32 [2·batch, d] are the unit embeddings of the weak, then the strong views;
    ``features`` and ``teacher`` float32 [2·batch + mixtures, C] the pooled features of all
    views and the mixtures; ``proxies`` float32 [classes, d]; ``rivals`` bool
    [levels, sources, classes], the classes that a picture of a source can have.
    """

    batch: Batch
    z: jax.Array
    features: jax.Array
    teacher: jax.Array
    proxies: jax.Array
    memory: Memory
    rivals: npt.NDArray[np.bool_]

    def cut(self, length: int) -> Seen:
        """Return the same with only the first ``length`` numbers of every embedding."""
        return replace(
            self,
            z=losses.unit(self.z[:, :length]),
            proxies=self.proxies[:, :length],
            memory=self.memory._replace(vectors=losses.unit(self.memory.vectors[:, :length])),
        )

    def labels(self, level: int) -> jax.Array:
        """Return the labels of the rows of ``z`` at ``level``, int32 [2·batch]."""
        return jnp.tile(jnp.asarray(self.batch.labels)[:, level], 2)


def _same_picture(term: Term, seen: Seen) -> jax.Array:
    memory = Memory(*(part[: term.memory] for part in seen.memory))
    rows = jnp.asarray(seen.batch.rows)
    return losses.info_nce(seen.z, rows, memory.vectors, memory.rows, term.temperature)


def _same_label(term: Term, seen: Seen) -> jax.Array:
    return losses.supervised_contrastive(seen.z, seen.labels(term.level), term.temperature)


def _triplet(term: Term, seen: Seen) -> jax.Array:
    return losses.triplet(seen.z, seen.labels(term.level), term.margin)


def _proxy(term: Term, seen: Seen) -> jax.Array:
    return losses.proxy(
        seen.z,
        seen.labels(term.level),
        seen.proxies,
        jnp.asarray(seen.rivals)[term.level, jnp.tile(jnp.asarray(seen.batch.sources), 2)],
        temperature=term.temperature,
        margin=term.margin,
        smoothing=term.smoothing,
    )


def _teacher_features(_term: Term, seen: Seen) -> jax.Array:
    return losses.teacher_features(seen.features, seen.teacher)


def _teacher_relations(term: Term, seen: Seen) -> jax.Array:
    return losses.teacher_relations(seen.z, seen.teacher[: len(seen.z)], term.temperature)


_KINDS: dict[Kind, Callable[[Term, Seen], jax.Array]] = {
    "same_picture": _same_picture,
    "same_label": _same_label,
    "triplet": _triplet,
    "proxy": _proxy,
    "teacher_features": _teacher_features,
    "teacher_relations": _teacher_relations,
}


def total(
    terms: Sequence[Term], seen: Seen, lengths: Sequence[int]
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the weighted sum of the terms and each one, unweighted, by name.

    Each is the mean over whole embeddings and those cut to ``lengths``.
    """
    views = [seen, *(seen.cut(length) for length in lengths)]
    parts = {
        name(term): jnp.mean(jnp.stack([_KINDS[term.kind](term, view) for view in views]))
        for term in terms
    }
    return sum((t.weight * parts[name(t)] for t in terms), start=jnp.zeros(())), parts


def name(term: Term) -> str:
    """Name a term in reports: its kind, with its level where it looks at labels."""
    labelled = term.kind in ("same_label", "triplet", "proxy")
    return f"{term.kind}_{term.level}" if labelled else term.kind


def rivals(data: Dataset) -> npt.NDArray[np.bool_]:
    """Tell which classes occur at each level of each source, bool [levels, sources, classes].

    Classes of other sources are no rivals: two shops may call one kind by two names.
    """
    sources = int(data.sources.max()) + 1
    table = np.zeros((data.labels.shape[1], sources, len(data.names)), np.bool_)
    for level, labels in enumerate(data.labels.T):
        known = labels >= 0
        table[level, data.sources[known], labels[known]] = True
    return table
