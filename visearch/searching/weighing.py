"""How much each part of a query's embedding counts: as the query says, its catalog, its encoder."""

from __future__ import annotations

from visearch.encoders.layout import parts_of
from visearch.encoders.spec import resolve
from visearch.errors import UnknownEncoder
from visearch.fusion.focus import weights_of
from visearch.fusion.weights import Vectors, Weights, weigh
from visearch.records import Catalog, Focus


def weighed(vectors: Vectors, catalog: Catalog, focus: Focus | None = None) -> Vectors:
    """Return unit vectors float32 [..., d] as queries whose inner products weigh their parts."""
    parts = parts_of(catalog.fingerprint, catalog.dimension)
    if len(parts) == 1:
        return vectors
    weights = (focus and weights_of(focus, parts)) or catalog.weights or default_weights(catalog)
    return vectors if weights is None else weigh(vectors, parts, weights)


def default_weights(catalog: Catalog) -> Weights | None:
    """Return the weights that a catalog's encoder itself gives; None if it gives none.

    None, too, if the encoder is not there any more, or is another one by now.
    """
    try:
        spec = resolve(catalog.encoder)
    except UnknownEncoder:
        return None
    return spec.part_weights if spec.fingerprint == catalog.fingerprint else None
