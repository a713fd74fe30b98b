"""What a search may focus on, whatever a catalog's weights are."""

from __future__ import annotations

from visearch.fusion.weights import Parts, Weights
from visearch.records import Focus

FOCUSES: dict[Focus, Weights] = {
    # This very product: what tells one picture from another counts most.
    "product": {"general": 1.0, "kind": 0.2, "instance": 1.0},
    # Things of the same kind, whatever they look like besides.
    "kind": {"general": 1.0, "kind": 4.0, "instance": 0.0},
    # Things that look the same, whatever kind they are of.
    "look": {"general": 1.0, "kind": 0.0, "instance": 0.4},
}


def weights_of(focus: Focus, parts: Parts) -> Weights | None:
    """Return the weights of a focus; None if the embeddings have not the parts to focus on."""
    weights = FOCUSES[focus]
    return weights if set(weights) == set(parts) else None
