"""Contrastive losses on L2-normalised embeddings."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def supervised_contrastive(z: jax.Array, labels: jax.Array, temperature: float) -> jax.Array:
    """Supervised contrastive loss, L_out of Khosla et al. 2020 (arXiv:2004.11362, eq. 2).

    Args:
        z: float32 [n, d], unit rows.
        labels: int32 [n]; negative: unlabelled, has no positives and counts as a negative.
        temperature: τ > 0.

    Returns:
        float32 scalar, the mean over rows that have a positive (0 if none has).
    """
    n = z.shape[0]
    self_mask = jnp.eye(n, dtype=bool)
    logits = jnp.where(self_mask, -jnp.inf, z @ z.T / temperature)
    log_p = logits - jax.nn.logsumexp(logits, axis=1, keepdims=True)
    same = (labels[:, None] == labels[None, :]) & (labels >= 0)[:, None] & ~self_mask
    positives = same.sum(axis=1)
    row = -jnp.where(same, log_p, 0.0).sum(axis=1) / jnp.maximum(positives, 1)
    return row.sum() / jnp.maximum((positives > 0).sum(), 1)


def nt_xent(z: jax.Array, temperature: float) -> jax.Array:
    """NT-Xent (Chen et al. 2020, arXiv:2002.05709, eq. 1): row i and row i + n/2 are views.

    It is the supervised loss whose labels name the picture.
    """
    half = z.shape[0] // 2
    labels = jnp.concatenate([jnp.arange(half), jnp.arange(half)])
    return supervised_contrastive(z, labels, temperature)
