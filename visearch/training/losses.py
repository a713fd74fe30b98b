"""Losses on L2-normalised embeddings. ``z`` is float32 [n, d] with unit rows throughout."""

from __future__ import annotations

import jax
import jax.numpy as jnp

_NEVER = -1e9


def supervised_contrastive(z: jax.Array, labels: jax.Array, temperature: float) -> jax.Array:
    """Supervised contrastive loss, L_out of Khosla et al. 2020 (arXiv:2004.11362, eq. 2).

    Args:
        z: embeddings.
        labels: int32 [n]; negative: unlabelled, so without positives, but a negative to others.
        temperature: τ > 0.

    Returns:
        float32 scalar, the mean over rows that have a positive (0 if none has).
    """
    n = z.shape[0]
    self_mask = jnp.eye(n, dtype=bool)
    logits = jnp.where(self_mask, -jnp.inf, z @ z.T / temperature)
    log_p = logits - jax.nn.logsumexp(logits, axis=1, keepdims=True)
    same = _same(labels)
    positives = same.sum(axis=1)
    row = -jnp.where(same, log_p, 0.0).sum(axis=1) / jnp.maximum(positives, 1)
    return row.sum() / jnp.maximum((positives > 0).sum(), 1)


def info_nce(
    z: jax.Array, rows: jax.Array, memory: jax.Array, memory_rows: jax.Array, temperature: float
) -> jax.Array:
    """InfoNCE (arXiv:1807.03748) on pairs of views, with a memory of negatives (1912.06798).

    Rows i and i + n/2 of ``z`` are views of picture ``rows[i]`` (int32 [n/2]). Each must find
    the other among the other half and ``memory`` [m, d], whose pictures are ``memory_rows``
    int32 [m] (-1: empty). A remembered view of the same picture does not count.
    """
    half = z.shape[0] // 2
    allowed = (memory_rows >= 0) & (memory_rows != rows[:, None])
    # A small source may give a picture twice; then neither is the other's negative.
    twin = (rows[:, None] == rows[None, :]) & ~jnp.eye(half, dtype=bool)

    def one_way(queries: jax.Array, keys: jax.Array) -> jax.Array:
        far = jnp.where(allowed, queries @ memory.T / temperature, -jnp.inf)
        near = jnp.where(twin, -jnp.inf, queries @ keys.T / temperature)
        log_p = jax.nn.log_softmax(jnp.concatenate([near, far], axis=1), axis=1)
        return -jnp.mean(jnp.diagonal(log_p[:, :half]))

    return (one_way(z[:half], z[half:]) + one_way(z[half:], z[:half])) / 2


def triplet(z: jax.Array, labels: jax.Array, margin: float) -> jax.Array:
    """Batch-hard triplet loss on cosine (Hermans et al. 2017, arXiv:1703.07737, eq. 5).

    For each labelled row, the farthest positive must be nearer, by ``margin``, than the
    nearest negative; rows without a positive or a negative are left out.
    """
    scores, same = z @ z.T, _same(labels)
    negative = (labels[:, None] != labels[None, :]) & (labels >= 0)[None, :]
    farthest = jnp.where(same, scores, jnp.inf).min(axis=1)
    nearest = jnp.where(negative, scores, -jnp.inf).max(axis=1)
    valid = same.any(axis=1) & negative.any(axis=1) & (labels >= 0)
    row = jnp.where(valid, nearest - farthest + margin, 0.0)
    return jnp.maximum(row, 0.0).sum() / jnp.maximum(valid.sum(), 1)


def proxy(
    z: jax.Array,
    labels: jax.Array,
    proxies: jax.Array,
    rivals: jax.Array,
    *,
    temperature: float,
    margin: float = 0.0,
    smoothing: float = 0.0,
) -> jax.Array:
    """Classify by the nearest proxy: normalised softmax (Zhai and Wu 2019, arXiv:1811.12649).

    Args:
        z: embeddings.
        labels: int32 [n], the proxy of each row; negative: the row is left out.
        proxies: float32 [c, d], normalised here.
        rivals: bool [n, c], the proxies that each row is classified among.
        temperature: τ > 0.
        margin: subtracted from the right class's cosine (CosFace, arXiv:1801.09414).
        smoothing: share of the target spread evenly over the rivals.

    Returns:
        float32 scalar, the mean over all n rows (rows left out count as 0).
    """
    c = proxies.shape[0]
    right = jax.nn.one_hot(labels, c, dtype=bool)
    proxies = proxies / jnp.linalg.norm(proxies, axis=1, keepdims=True)
    cosines = z @ proxies.T - margin * right
    # Not -inf: a row without rivals would make every gradient NaN, although it is left out.
    logits = jnp.where(rivals | right, cosines / temperature, _NEVER)
    log_p = jax.nn.log_softmax(logits, axis=1)
    choice = (rivals | right).astype(z.dtype)
    even = choice / choice.sum(axis=1, keepdims=True).clip(1)
    target = (1 - smoothing) * right + smoothing * even
    row = -jnp.where(target > 0, target * log_p, 0.0).sum(axis=1)
    return jnp.where(labels >= 0, row, 0.0).mean()


def cosine_distance(ours: jax.Array, aims: jax.Array) -> jax.Array:
    """Return the mean of 1 − cosine between the rows of ``ours`` and of ``aims``, [n, c] each."""
    return jnp.mean(1.0 - jnp.sum(unit(ours) * unit(aims), axis=1))


def teacher_relations(z: jax.Array, teacher: jax.Array, temperature: float) -> jax.Array:
    """Match each row's similarities to the other rows with the teacher's.

    Cross-entropy between the softmaxes of both similarity matrices (as SEED, Fang et al.
    2021, arXiv:2101.04731, within the batch); ``teacher`` is [n, c] of any width.
    """
    teacher = unit(teacher)
    self_mask = jnp.eye(z.shape[0], dtype=bool)
    target = jax.nn.softmax(jnp.where(self_mask, -jnp.inf, teacher @ teacher.T / temperature))
    log_p = jax.nn.log_softmax(jnp.where(self_mask, -jnp.inf, z @ z.T / temperature))
    return -jnp.mean(jnp.where(self_mask, 0.0, target * log_p).sum(axis=1))


def unit(z: jax.Array) -> jax.Array:
    """Scale the rows of [..., d] to length 1; zeros stay zeros, with a gradient of 0."""
    return z * jax.lax.rsqrt(jnp.sum(z * z, axis=-1, keepdims=True) + 1e-12)


def _same(labels: jax.Array) -> jax.Array:
    """Tell which pairs of different rows have the same label, bool [n, n]."""
    same = (labels[:, None] == labels[None, :]) & (labels >= 0)[:, None]
    return same & ~jnp.eye(labels.shape[0], dtype=bool)
