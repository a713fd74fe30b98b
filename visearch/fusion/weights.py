"""Weights of the parts of an embedding: a query becomes one that weighs the parts so.

Only the query is weighed. What is stored stays as it is, so that one index serves all weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from visearch.errors import InvalidRequest

Parts = Mapping[str, npt.NDArray[np.intp]]
"""By name, the places of each part's numbers in an embedding (``Encoder.parts``)."""

Weights = Mapping[str, float]
"""By part, its share in a similarity; only their ratios matter."""

Vectors = npt.NDArray[np.float32]


def check(weights: Weights, parts: Parts) -> None:
    """Raise InvalidRequest unless there is a weight ≥ 0 for each part, and one above 0."""
    if set(weights) != set(parts):
        raise InvalidRequest(
            f"The weights are of the parts {', '.join(weights) or '(none)'}, but the encoder has "
            f"{', '.join(parts)}. Give each of these a weight."
        )
    total = sum(weights.values())
    if not 0 < total < math.inf or any(w < 0 for w in weights.values()):
        raise InvalidRequest(
            f"The weights {dict(weights)} cannot be used. Give numbers of 0 or more, one above 0."
        )


def weigh(queries: Vectors, parts: Parts, weights: Weights) -> Vectors:
    """Return queries float32 [..., d] whose inner products weigh the parts.

    The inner product of a row with an embedding ``v`` is the mean of the cosines of their parts,
    Σ w cos(qₚ, vₚ) / Σ w, if each part is as long in ``v`` as in the query, as it is in all
    embeddings of an encoder. So the picture itself scores 1, whatever the weights. The rows are no
    unit vectors. A part of length 0 is similar to nothing, itself included.

    Raises:
        InvalidRequest: as :func:`check`.
    """
    check(weights, parts)
    total = sum(weights.values())
    weighed = np.zeros_like(queries)
    for name, places in parts.items():
        part = queries[..., places]
        squared = np.sum(np.square(part, dtype=np.float64), axis=-1, keepdims=True)
        share = np.divide(weights[name] / total, squared, where=squared > 0, out=squared * 0)
        weighed[..., places] = part * share
    return weighed


def of_a_plain_product(vector: Vectors, parts: Parts) -> Weights:
    """Return the weights of the parts of ``vector``, float32 [d], in plain inner products."""
    return {name: float(np.square(vector[places]).sum()) for name, places in parts.items()}
