"""The index: an immutable ScaNN base, a small exact delta, and tombstones over both.

``exact_search`` is the oracle, ``write`` / ``open_generation`` handle the immutable base and
``LiveIndex`` is what a worker serves. Importing this package does not import ScaNN; only
building or opening a generation that has a tree does.
"""

from __future__ import annotations

from visearch.index.exact import exact_search
from visearch.index.generation import Generation, open_generation, write
from visearch.index.live import LiveIndex
from visearch.index.manifest import Manifest

__all__ = [
    "Generation",
    "LiveIndex",
    "Manifest",
    "exact_search",
    "open_generation",
    "write",
]
